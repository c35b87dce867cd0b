"""Webhooks: the record, posted to whom it was promised, and to nobody inside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from aiohttp import web

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.httpx_webhooks import WebhookPoster
from weft_gateway.server import gateway

Ask = Callable[..., job_pb2.GenerationRequest]
Work = Callable[..., Awaitable[event_pb2.Done]]


@dataclass
class Hook:
    """A webhook target that answers as told, in order, and then 200."""

    answers: list[int] = field(default_factory=list)
    posts: "asyncio.Queue[tuple[dict[str, str], Any]]" = field(default_factory=asyncio.Queue)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.posts.put_nowait((dict(request.headers), await request.json()))
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"location": "/elsewhere"})


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/hook", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.url = f"http://localhost:{runner.addresses[0][1]}/hook"
    yield hook
    await runner.cleanup()


async def outcome(postgres_url: str) -> tuple[int, bool, str]:
    """Attempts, whether delivered, and the last outcome of the only delivery, once it is settled for good."""
    query = "SELECT attempts, deliver_time IS NOT NULL, last_outcome FROM webhook_deliveries WHERE next_time IS NULL"
    async with asyncio.timeout(10), await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as session:
        while not (row := await (await session.execute(query)).fetchone()):  # noqa: ASYNC110  # a table tells nobody
            await asyncio.sleep(0.01)
    return row  # type: ignore[return-value]


async def test_a_finished_jobs_record_is_posted_once(
    caller: Any, ask: Ask, work: Work, hook: Hook, postgres_url: str
) -> None:
    silent = await caller.submit(ask())
    job = await caller.submit(ask(webhook_url=hook.url, labels={"team": "a"}))
    await work(silent, "x")
    await work(job, "Rayleigh")
    headers, record = await hook.posts.get()
    assert await outcome(postgres_url) == (1, True, "HTTP 200")
    assert headers["webhook-id"] == record["jobId"] == job.job_id
    assert headers["Host"] == hook.url.split("/")[2]
    assert (record["state"], record["answer"]["text"]) == ("JOB_STATE_SUCCEEDED", "Rayleigh")
    assert record["request"]["labels"] == {"team": "a"}
    assert hook.posts.empty()


async def test_a_target_that_fails_is_tried_again_under_the_same_id(
    caller: Any, ask: Ask, work: Work, hook: Hook, postgres_url: str
) -> None:
    hook.answers = [500, 302]
    await work(await caller.submit(ask(webhook_url=hook.url)), "x")
    posts = [await hook.posts.get() for _ in range(3)]
    assert len({headers["webhook-id"] for headers, _ in posts}) == 1
    assert await outcome(postgres_url) == (3, True, "HTTP 200")


async def test_a_target_that_is_gone_is_left_alone(
    caller: Any, ask: Ask, work: Work, hook: Hook, postgres_url: str
) -> None:
    hook.answers = [410]
    await work(await caller.submit(ask(webhook_url=hook.url)), "x")
    assert await outcome(postgres_url) == (1, False, "HTTP 410")


async def test_tries_end(config: Config, new_caller: Any, ask: Ask, work: Work, postgres_url: str) -> None:
    limited = config.model_copy(update={"webhook_attempts": 2})
    async with gateway(limited) as server:
        caller = await new_caller(server)
        await work(await caller.submit(ask(webhook_url="http://127.0.0.1:9/")), "x")
        assert await outcome(postgres_url) == (2, False, "not reachable: ConnectError")


async def test_a_target_inside_our_own_network_is_refused(
    config: Config, new_caller: Any, ask: Ask, work: Work, hook: Hook, postgres_url: str
) -> None:
    async with gateway(config.model_copy(update={"webhook_allow_private": False})) as server:
        caller = await new_caller(server)
        await work(await caller.submit(ask(webhook_url=hook.url)), "x")
        attempts, delivered, text = await outcome(postgres_url)
    assert (attempts, delivered) == (1, False)
    assert text.endswith("is not a public address")
    assert hook.posts.empty()


async def test_a_target_that_never_answers_costs_a_try_not_the_notifier() -> None:
    async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    silent = await asyncio.start_server(silence, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with WebhookPoster(limit_s=0.1, allow_private=True) as poster:
        outcome = await poster.post(f"http://127.0.0.1:{port}/", "id", b"{}")
    silent.close()
    assert (outcome.delivered, outcome.final) == (False, False)


async def test_a_notifier_alone_delivers_what_others_recorded(
    config: Config, new_caller: Any, ask: Ask, work: Work, hook: Hook
) -> None:
    async with gateway(config, ("serve", "recorder")) as server:
        caller = await new_caller(server)
        await work(await caller.submit(ask(webhook_url=hook.url)), "x")
        async with gateway(config, ("notifier",)):
            assert (await hook.posts.get())[1]["state"] == "JOB_STATE_SUCCEEDED"


async def test_a_cancelled_job_is_posted_too(caller: Any, ask: Ask, hook: Hook) -> None:
    job = await caller.submit(ask(webhook_url=hook.url))
    await caller.cancel(job.job_id)
    _, record = await hook.posts.get()
    assert record["error"]["reason"] == "ERROR_REASON_CANCELLED"
