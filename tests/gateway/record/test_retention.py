"""What is past retention leaves the record, and what was erased does not come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from weft.common.v1 import chat_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import webhook_pb2, webhook_pb2_grpc
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.pages import Position
from weft_gateway.postgres import record_database
from weft_gateway.record.job_query import JobQuery
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.retention import RetentionSweeper
from weft_gateway.record.rows import rows
from weft_gateway.server import gateway
from weft_kit.catalog.retention import Retention
from weft_kit.joblog import new_job_id, project
from weft_kit.stores.postgres import Database

Finish = Callable[..., Awaitable[list[event_pb2.JobEvent]]]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET = "the patient's name"
RULES = Retention(contents_days=30, records_days=100)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with record_database(postgres_url) as database:
        yield database


@pytest.fixture
def records(database: Database) -> RecordStore:
    return RecordStore(database, limit_s=10)


@pytest.fixture
def store(database: Database) -> ErasureStore:
    return ErasureStore(database)


@pytest.fixture
def keeping(store: ErasureStore) -> Callable[..., RetentionSweeper]:
    def make(rules: Callable[[str], Retention] = lambda _: RULES, least_s: float = 3600.0) -> RetentionSweeper:
        # More than one batch, so that a sweep has to go on.
        return RetentionSweeper(store, rules, least_s=least_s, batch=2)

    return make


@pytest.fixture
def finish(records: RecordStore, ask: Any) -> Finish:
    """Records a job that was accepted so many days ago and then failed after having answered; returns its events."""

    async def record(days: float, tenant: str = "acme", job_id: str = "", **fields: Any) -> list[event_pb2.JobEvent]:
        job_id = job_id or new_job_id(tenant, job_pb2.PRIORITY_NORMAL)
        request = ask(SECRET, labels={"team": "a"}, **fields)
        error = job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_REJECTED, message=f"cannot read {SECRET}")
        usage = chat_pb2.Usage(prompt_tokens=7, completion_tokens=3)
        done = event_pb2.Done(
            state=job_pb2.JOB_STATE_FAILED,
            answer=job_pb2.Answer(text=SECRET, provider="local", provider_model="m", usage=usage),
            error=error,
            attempts=[job_pb2.Attempt(number=1, provider="local", error=error, usage=usage)],
            total_usage=usage,
        )
        source = job_pb2.Source(title=SECRET)
        accepted = event_pb2.Accepted(tenant=tenant, key_id="k", request=request, request_id="r")
        events = [
            event_pb2.JobEvent(job_id=job_id, sequence=1, accepted=accepted),
            event_pb2.JobEvent(job_id=job_id, sequence=2, started=event_pb2.Started(attempt=1, sources=[source])),
            event_pb2.JobEvent(job_id=job_id, sequence=3, done=done),
        ]
        for event in events:
            event.time.FromDatetime(NOW - timedelta(days=days))
        await records.save(rows(events))
        return events

    return record


def kept(postgres_url: str) -> str:
    """Everything there is about jobs, as one text."""
    with psycopg.connect(postgres_url) as session:
        found = session.execute("SELECT * FROM jobs").fetchall()
        found += session.execute("SELECT * FROM webhook_deliveries").fetchall()
    return repr(found)


async def test_contents_go_and_the_bare_record_stays(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore, postgres_url: str
) -> None:
    old, young = await finish(31), await finish(29)
    await keeping().sweep(NOW)
    bare = project(old[0].job_id, await records.find("acme", old[0].job_id))
    assert (bare.state, bare.request_id, bare.model) == (job_pb2.JOB_STATE_FAILED, "r", "default")
    assert bare.error == job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_REJECTED)
    assert (bare.answer.provider, bare.answer.usage.prompt_tokens) == ("local", 7)
    assert bare.attempts[0].usage.completion_tokens == 3
    assert bare.HasField("contents_delete_time")
    assert not bare.request.messages
    assert await records.find("acme", young[0].job_id) == young
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("DELETE FROM jobs WHERE job_id = %s", (young[0].job_id,))
    assert SECRET not in kept(postgres_url)


async def test_lists_and_reports_go_on_without_the_contents(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore, postgres_url: str
) -> None:
    (event, *_) = await finish(31)
    await keeping().sweep(NOW)
    (listed,), _ = await records.page(query("acme"))
    job = project(event.job_id, listed)
    assert (job.state, job.accept_time) == (job_pb2.JOB_STATE_FAILED, event.time)
    with psycopg.connect(postgres_url) as session:
        report = "SELECT key_id, model, provider, error_reason, prompt_tokens, labels FROM jobs"
        (row,) = session.execute(report).fetchall()
    assert row == ("k", "default", "local", error_pb2.ERROR_REASON_PROVIDER_REJECTED, 7, {"team": "a"})


async def test_records_go_after_their_contents(
    finish: Finish, keeping: Callable[..., RetentionSweeper], postgres_url: str
) -> None:
    ancient = [(await finish(101, tenant))[0].job_id for tenant in ("acme", "zoo", "acme", "acme", "acme")]
    (event, *_) = await finish(99)
    await keeping().sweep(NOW)
    found = kept(postgres_url)
    assert event.job_id in found
    assert not any(job_id in found for job_id in ancient)


async def test_each_tenant_is_kept_for_as_long_as_the_catalog_says(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore
) -> None:
    rules = {"short": Retention(contents_days=1, records_days=1)}
    mine, theirs, long = await finish(2, "short"), await finish(2, "acme"), await finish(31, "zoo")
    await keeping(lambda tenant: rules.get(tenant, RULES)).sweep(NOW)
    assert await records.find("short", mine[0].job_id) == []
    assert await records.find("acme", theirs[0].job_id) == theirs
    assert await records.find("zoo", long[0].job_id) != long


async def test_nothing_goes_while_the_log_may_still_tell_of_it(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore
) -> None:
    rules = Retention(contents_days=0.001, records_days=0.001)
    events = await finish(0.5)
    await keeping(lambda _: rules, least_s=24 * 3600.0).sweep(NOW)
    assert await records.find("acme", events[0].job_id) == events
    await keeping(lambda _: rules, least_s=3600.0).sweep(NOW)
    assert await records.find("acme", events[0].job_id) == []


async def test_a_job_that_is_not_over_is_kept(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore, ask: Any
) -> None:
    accepted = event_pb2.Accepted(tenant="acme", request=ask(SECRET))
    event = event_pb2.JobEvent(job_id=new_job_id("acme", 0), accepted=accepted)
    event.time.FromDatetime(NOW - timedelta(days=500))
    await records.save(rows([event]))
    await keeping().sweep(NOW)
    assert await records.find("acme", event.job_id) == [event]


async def test_a_webhook_that_waits_keeps_what_it_tells_of(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore, postgres_url: str
) -> None:
    events = await finish(31, webhook_url="https://example.org/?token=1")
    await keeping().sweep(NOW)
    assert await records.find("acme", events[0].job_id) == events
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("UPDATE webhook_deliveries SET next_time = NULL")
    await keeping().sweep(NOW)
    assert "example.org" not in kept(postgres_url)


async def test_a_damaged_record_keeps_no_others_contents(
    finish: Finish, keeping: Callable[..., RetentionSweeper], postgres_url: str
) -> None:
    damaged, _ = await finish(32), await finish(31)
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("UPDATE jobs SET done_brief = 'damaged' WHERE job_id = %s", (damaged[0].job_id,))
    await keeping().sweep(NOW)
    assert SECRET not in kept(postgres_url)


async def test_late_events_bring_nothing_back(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore, postgres_url: str
) -> None:
    events = await finish(31, webhook_url="https://example.org/")
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("UPDATE webhook_deliveries SET next_time = NULL")
    await keeping().sweep(NOW)
    before = kept(postgres_url)
    await records.save(rows(events))
    for event in events:
        await records.save(rows([event]))
    assert kept(postgres_url) == before


async def test_a_sweep_passes_over_what_somebody_holds(
    finish: Finish, keeping: Callable[..., RetentionSweeper], records: RecordStore, postgres_url: str
) -> None:
    held, free = await finish(31), await finish(31)
    async with await psycopg.AsyncConnection.connect(postgres_url) as session:
        await session.execute("SELECT FROM jobs WHERE job_id = %s FOR UPDATE", (held[0].job_id,))
        async with asyncio.timeout(20):
            await keeping().sweep(NOW)
        assert await records.find("acme", held[0].job_id) == held
        assert await records.find("acme", free[0].job_id) != free


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2)])
async def test_a_deleted_job_stays_deleted_whatever_comes_late(
    finish: Finish, store: ErasureStore, records: RecordStore, postgres_url: str, order: tuple[int, ...]
) -> None:
    events = await finish(1, webhook_url="https://example.org/")
    await store.delete([events[0].job_id])
    for i in order:
        await records.save(rows([events[i]]))
    assert await records.find("acme", events[0].job_id) == []
    assert (await records.page(query("acme")))[0] == []
    assert SECRET not in kept(postgres_url)
    assert "example.org" not in kept(postgres_url)


async def test_a_job_is_deleted_although_the_recorder_has_not_seen_it_yet(
    finish: Finish, store: ErasureStore, records: RecordStore
) -> None:
    job_id = new_job_id("acme", 0)
    await store.delete([job_id])
    await finish(1, job_id=job_id)
    assert await records.find("acme", job_id) == []


async def test_a_later_job_under_the_same_request_id_is_recorded(
    finish: Finish, store: ErasureStore, records: RecordStore
) -> None:
    job_id = new_job_id("acme", 0, "order-1")
    await finish(2, job_id=job_id)
    await store.delete([job_id])
    # Written after the deletion, by every clock.
    ahead = (NOW - datetime.now(UTC)).total_seconds() / 86400 - 1
    again = await finish(ahead, job_id=job_id)
    assert await records.find("acme", job_id) == again


async def test_the_mark_of_a_deleted_job_goes_when_nothing_can_come_late(
    finish: Finish, store: ErasureStore, keeping: Callable[..., RetentionSweeper], postgres_url: str
) -> None:
    (event, *_) = await finish(1)
    await store.delete([event.job_id])
    now = datetime.now(UTC)
    await keeping(least_s=3600.0).sweep(now + timedelta(minutes=50))
    assert event.job_id in kept(postgres_url)
    await keeping(least_s=3600.0).sweep(now + timedelta(minutes=70))
    assert event.job_id not in kept(postgres_url)


@pytest.fixture
def brief(config: Config) -> Config:
    """Settings of a gateway that looks often, and keeps contents of the tenant acme for half a day."""
    catalog = Path(config.catalog_file)
    catalog.write_text(f"{catalog.read_text()}\n[retention.acme]\ncontents_days = 0.5\nrecords_days = 3650\n")
    return config.model_copy(update={"retention_poll_s": 0.05})


async def test_a_recorder_keeps_retention_as_the_catalog_says(
    brief: Config, finish: Finish, records: RecordStore
) -> None:
    long_ago = (NOW - datetime.now(UTC)).total_seconds() / 86400 + 2
    mine, other = await finish(long_ago), await finish(long_ago, "other")
    async with gateway(brief, ("recorder",)), asyncio.timeout(20):
        while await records.find("acme", mine[0].job_id) == mine:  # noqa: ASYNC110  # a table tells nobody
            await asyncio.sleep(0.02)
    assert await records.find("other", other[0].job_id) == other


async def test_a_job_without_its_contents_is_read_and_streamed_as_what_is_left(
    config: Config, new_caller: Any, finish: Finish, keeping: Callable[..., RetentionSweeper], refused: Any
) -> None:
    tenant = f"tenant-{uuid4().hex[:8]}"
    (event, *_) = await finish(31, tenant, webhook_url="https://example.org/")
    async with gateway(config, ("serve",)) as server:
        caller = await new_caller(server, tenant)
        with psycopg.connect(config.postgres_url, autocommit=True) as session:
            session.execute("UPDATE webhook_deliveries SET next_time = NULL")
        await keeping().sweep(NOW)
        job = await caller.get(event.job_id)
        assert job.HasField("contents_delete_time")
        assert (job.state, job.answer.text) == (job_pb2.JOB_STATE_FAILED, "")
        (only,) = [reply.event async for reply in caller.stream(event.job_id)]
        assert only.done.HasField("contents_delete_time")
        webhooks = webhook_pb2_grpc.WebhookServiceStub(caller.channel)
        again = webhook_pb2.RedeliverWebhookRequest(job_id=event.job_id)
        error = await refused(webhooks.RedeliverWebhook(again, metadata=caller.auth))
        assert error.reason == error_pb2.ERROR_REASON_DELIVERY_NOT_FOUND
        (listed,) = (await caller.jobs.ListJobs(pb.ListJobsRequest(), metadata=caller.auth)).jobs
        assert listed.HasField("contents_delete_time")


def query(tenant: str, before: Position | None = None) -> JobQuery:
    return JobQuery(tenant, (), (), (), (), "", None, None, before, 50)
