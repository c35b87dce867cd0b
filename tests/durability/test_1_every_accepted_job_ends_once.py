"""Promise 1: a job that was accepted reaches exactly one `done`, whatever is killed, and whenever.

Each case kills one process with SIGKILL at one step of a job, starts it again as a supervisor would, and looks at what
log, record and reader then have. The same over a cluster of three nats-servers: tests/compose/test_nats_cluster.py.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.durability.environment import Environment
from tests.durability.ledger import said_by_mock, succeeded
from tests.durability.nats_proxy import Moment, NatsProxy, Trap
from tests.durability.processes import Service

from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_compose.servers import EmbeddedServer
from weft_kit.joblog import new_job_id

pytestmark = pytest.mark.asyncio(loop_scope="package")

Process = Service | EmbeddedServer


@dataclass(frozen=True)
class Step:
    """A step on a job's way, as the process that takes it sends it to the log."""

    name: str
    kind: str
    moment: Moment
    nth: int = 1

    def __str__(self) -> str:
        return self.name


ACCEPTED = Step("before accepted is stored", "accepted", Moment.BEFORE)
ACCEPTED_UNHEARD = Step("after accepted is stored, unheard", "accepted", Moment.UNHEARD)
STARTED = Step("before started is stored", "started", Moment.BEFORE)
STARTED_UNHEARD = Step("after started is stored, unheard", "started", Moment.UNHEARD)
MID_STREAM = Step("in mid-stream", "delta", Moment.UNHEARD, nth=4)
LAST_TOKEN = Step("between the last token and done", "done", Moment.BEFORE)
DONE_UNHEARD = Step("after done is stored, unheard", "done", Moment.UNHEARD)
ACK = Step("between done and the ack", "ack", Moment.BEFORE)

OF_GATEWAYS = (ACCEPTED, ACCEPTED_UNHEARD)
OF_ROUTERS = (STARTED, STARTED_UNHEARD, MID_STREAM, LAST_TOKEN, DONE_UNHEARD, ACK)


async def run(
    environment: Environment,
    step: Step,
    victim: Callable[[NatsProxy], Process],
    *,
    model: str = "short",
    cuts: bool = True,
) -> None:
    """Kills what `victim` names when a job takes a step; the job must end once and its reader must not notice."""
    prompt = f"{step} of a job that is answered by {model} when this is killed: {victim.__name__}"
    job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL, request_id=prompt)
    text = prompt if model == "echo" else said_by_mock(prompt, 30)
    mending: list[asyncio.Task[None]] = []

    async def spring(proxy: NatsProxy) -> None:
        victim(proxy).kill()
        mending.append(asyncio.create_task(environment.mend()))

    takers = environment.gateways if step in OF_GATEWAYS else environment.routers
    with environment.armed(takers, Trap(step.kind, step.moment, spring, step.nth, cuts)) as trap:
        async with environment.client() as weft, asyncio.timeout(20):
            generation = weft.generate(prompt, request_id=prompt, model=model)
            async for _ in generation:
                pass
            await trap.sprung.wait()
    await asyncio.gather(*mending)

    assert generation.job_id == job_id
    assert generation.text == text
    await succeeded(environment, job_id, text)


@pytest.mark.parametrize("step", OF_GATEWAYS, ids=str)
async def test_a_gateway_is_killed_and_the_client_asks_another(brisk: Environment, step: Step) -> None:
    await run(brisk, step, brisk.behind)


@pytest.mark.parametrize("step", [MID_STREAM, LAST_TOKEN], ids=str)
async def test_every_gateway_is_killed_under_a_reader(brisk: Environment, step: Step) -> None:
    def all_but_one(_: NatsProxy) -> Service:
        for gateway in brisk.gateways[1:]:
            gateway.kill()
        return brisk.gateways[0]

    await run(brisk, step, all_but_one, cuts=False)


@pytest.mark.parametrize("step", OF_ROUTERS, ids=str)
async def test_a_router_is_killed(brisk: Environment, step: Step) -> None:
    await run(brisk, step, brisk.behind)


@pytest.mark.parametrize("step", [STARTED, MID_STREAM], ids=str)
async def test_an_inference_service_is_killed_and_another_goes_on(brisk: Environment, step: Step) -> None:
    def engine(_: NatsProxy) -> Service:
        return brisk.engines[0]

    await run(brisk, step, engine, model="echo", cuts=False)


@pytest.mark.parametrize("step", OF_GATEWAYS + OF_ROUTERS, ids=str)
async def test_nats_is_killed_and_starts_again_on_its_store(brisk: Environment, step: Step) -> None:
    def nats(_: NatsProxy) -> EmbeddedServer:
        return brisk.nats

    await run(brisk, step, nats)


@pytest.mark.parametrize("step", [ACCEPTED_UNHEARD, MID_STREAM, DONE_UNHEARD], ids=str)
async def test_postgresql_is_killed(brisk: Environment, step: Step) -> None:
    def postgres(_: NatsProxy) -> EmbeddedServer:
        return brisk.postgres

    await run(brisk, step, postgres, cuts=False)


@pytest.mark.parametrize("step", [ACCEPTED, MID_STREAM], ids=str)
async def test_redis_is_killed(brisk: Environment, step: Step) -> None:
    def redis(_: NatsProxy) -> EmbeddedServer:
        return brisk.valkey

    await run(brisk, step, redis, cuts=False)


@pytest.mark.parametrize("nth", [1, 3], ids=["after accepted is written", "after done is written"])
async def test_the_recorder_is_killed_before_it_says_that_it_has_recorded(brisk: Environment, nth: int) -> None:
    prompt = f"recorded {nth}"
    mending: list[asyncio.Task[None]] = []

    async def spring(_: NatsProxy) -> None:
        brisk.recorder.kill()
        mending.append(asyncio.create_task(brisk.mend()))

    with brisk.armed([brisk.recorder], Trap("recorded", Moment.BEFORE, spring, nth)) as trap:
        async with brisk.client() as weft:
            job = await weft.submit(chat(prompt, model="short"))
            await asyncio.wait_for(trap.sprung.wait(), 20)
    await asyncio.gather(*mending)
    await succeeded(brisk, job.job_id, said_by_mock(prompt, 30))
