"""Promise 9: SIGTERM cuts no stream that could finish in the grace; the rest move on, and readers see no error.

How a server drains, and what those it sends away are told: tests/kit/rpc/test_server.py. Services here have
1 s of grace.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import count

import grpc
import pytest
from tests.durability.environment import Environment
from tests.durability.gateway_client import first, gateway_client
from tests.durability.ledger import ending, said_by_mock, succeeded
from tests.durability.nats_proxy import Moment, NatsProxy, Trap
from tests.durability.processes import Service
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.generation import Generation
from weft_client.requests import chat
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")

WORDS = " ".join(map(str, range(120)))
"""What the engine says back in four seconds."""
SLOW_TOKENS = 90
"""What the mock says in three seconds."""
TOKENS = {"short": 30, "slow": SLOW_TOKENS}
READERS = 4
GRACE_S = 1.0

Stopping = list["asyncio.Task[int | None]"]


@asynccontextmanager
async def draining_router(environment: Environment) -> AsyncIterator[Stopping]:
    """Sends SIGTERM to the router that writes a job's second tokens, and brings it back afterwards."""
    stopping: Stopping = []

    async def drain(proxy: NatsProxy) -> None:
        stopping.append(asyncio.create_task(environment.behind(proxy).stop()))

    with environment.armed(environment.routers, Trap("delta", Moment.BEFORE, drain, nth=2, cuts=False)):
        yield stopping
        assert await asyncio.gather(*stopping) == [0]
    await environment.mend()


async def test_a_router_finishes_what_fits_its_grace(brisk: Environment) -> None:
    async with draining_router(brisk), brisk.client() as weft:
        generation = weft.generate("Before I go", model="short")
        await read(generation)

    found = await succeeded(brisk, generation.job_id, said_by_mock("Before I go", 30))
    assert len(found.starts()) == 1
    assert "released" not in found.kinds


@pytest.mark.parametrize(
    ("model", "prompt", "text", "goes_on"),
    [("echo", WORDS, WORDS, True), ("slow", "Too long", said_by_mock("Too long", SLOW_TOKENS), False)],
    ids=["an engine that takes a prefix", "a provider that starts over"],
)
async def test_a_router_gives_longer_jobs_to_another(
    brisk: Environment, model: str, prompt: str, text: str, *, goes_on: bool
) -> None:
    async with draining_router(brisk), brisk.client() as weft:
        generation = weft.generate(prompt, model=model)
        await read(generation)

    found = await succeeded(brisk, generation.job_id, text)
    assert generation.text == text
    assert found.kinds.count("released") == 1
    assert ("rewound" in found.kinds) is not goes_on
    assert found.done.attempts[0].error.reason == error_pb2.ERROR_REASON_DRAINING
    released, next_start = (found.events[found.kinds.index("released") + after] for after in (0, 1))
    # Given back, not waited for: nobody counts a drained worker as lost.
    assert next_start.time.ToNanoseconds() - released.time.ToNanoseconds() < 0.5e9


async def test_a_gateway_lets_streams_finish_and_refuses_new_calls(brisk: Environment) -> None:
    gateway = brisk.gateways[0]
    async with gateway_client(brisk, gateway) as acme:
        call = acme.generate(chat("Let me finish", model="short"))
        job_id = (await first(call, "delta")).job_id
        stopping = asyncio.create_task(gateway.stop())
        # The door closes in the moment the signal arrives; until then a submit may still pass.
        refused = await refusal(lambda: acme.submit(chat("Too late", model="short")))
        done = await first(call, "done")
        assert await stopping == 0
    await brisk.mend()

    assert refused.status is grpc.StatusCode.UNAVAILABLE
    assert done.done.answer.text == said_by_mock("Let me finish", 30)
    await ending(brisk, job_id)


async def test_readers_move_to_another_gateway(brisk: Environment) -> None:
    async with brisk.client() as weft:
        readers = [weft.generate(f"Reader {number}", model="slow") for number in range(READERS)]
        reading = [asyncio.create_task(read(reader)) for reader in readers]
        await until("all readers read", lambda: all_read(readers))
        for gateway in brisk.gateways:
            assert await gateway.stop() == 0
            await gateway.start()
        async with asyncio.timeout(20):
            await asyncio.gather(*reading)

    for number, reader in enumerate(readers):
        await succeeded(brisk, reader.job_id, said_by_mock(f"Reader {number}", SLOW_TOKENS))


async def test_a_rolling_restart_under_load_fails_no_job_and_no_reader(brisk: Environment) -> None:
    over = asyncio.Event()
    async with brisk.client() as weft:
        loads = [asyncio.create_task(load(weft, model, over)) for model in ("short", "slow", "echo", "echo", "short")]
        for service in brisk.services:
            await restart(service)
        over.set()
        async with asyncio.timeout(30):
            job_ids = [job_id for finished in await asyncio.gather(*loads) for job_id in finished]
        endings = [await ending(brisk, job_id) for job_id in job_ids]

    assert len(job_ids) > len(loads)
    assert {found.done.state for found in endings} == {job_pb2.JOB_STATE_SUCCEEDED}


async def restart(service: Service) -> None:
    assert await service.stop() == 0, f"{service.name} did not end by itself"
    await service.start()


async def load(weft: WeftClient, model: str, over: asyncio.Event) -> list[str]:
    """Asks and reads, one job after the other, at least until `over`; returns their ids.

    Any error that reaches a reader, and any wrong text, fails the test.
    """
    job_ids = []
    for number in count():
        prompt = " ".join([model, f"{id(over)}", *map(str, range(number % 40))])
        generation = weft.generate(prompt, model=model)
        await read(generation)
        assert generation.text == (prompt if model == "echo" else said_by_mock(prompt, TOKENS[model]))
        job_ids.append(generation.job_id)
        if over.is_set():
            break
    return job_ids


async def read(generation: Generation) -> None:
    async for _ in generation:
        pass


async def refusal(submit: Callable[[], Awaitable[object]]) -> WeftError:
    """Repeats a call until it is refused."""
    async with asyncio.timeout(GRACE_S):
        while True:
            try:
                await submit()
            except WeftError as error:
                return error


async def all_read(readers: Iterable[Generation]) -> bool:
    return all(reader.text for reader in readers)
