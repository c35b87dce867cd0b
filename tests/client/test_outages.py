"""Patience runs out in every shape of outage, for every call that repeats, and never over a job that is merely slow."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from tests.client.gateways import HOLD, KNOWN, ScriptedGateway, serving

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_cli.views.answer import drain
from weft_client import Observer, OutOfPatience, WeftClient
from weft_client.requests import chat
from weft_kit.rpc.errors import DependencyDown, WeftError

PATIENCE_S = 1.5
HANGS_S = 45.0
"""Nothing here takes as long; a call that never ends must not end the run."""

NATS_AWAY = DependencyDown("nats", "the log does not answer; a write may be stored; retry", retry_after_s=0.2)


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """A port at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """What takes connections and never says a word: a process that is frozen, seen from outside."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


class Silent(ScriptedGateway):
    """Takes every call and answers none."""

    async def _hold(self, *_: object) -> None:
        await HOLD().wait()

    async def _hold_stream(self, *_: object) -> AsyncIterator[pb.GenerateResponse]:
        await HOLD().wait()
        yield pb.GenerateResponse()

    Generate = StreamJob = _hold_stream
    SubmitJob = SubmitJobs = GetJob = ListJobs = _hold


class WithoutLog(ScriptedGateway):
    """Answers every call in the name of the log it waits for, after longer than a stream needs to look alive."""

    async def _refuse(self, *_: object) -> None:
        await asyncio.sleep(1.1)
        raise NATS_AWAY

    async def _refuse_stream(self, *_: object) -> AsyncIterator[pb.GenerateResponse]:
        await self._refuse()
        yield pb.GenerateResponse()

    Generate = StreamJob = _refuse_stream
    SubmitJob = SubmitJobs = GetJob = ListJobs = _refuse


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    async with serving(Silent()) as address:
        yield address


@asynccontextmanager
async def without_log() -> AsyncIterator[str]:
    async with serving(WithoutLog()) as address:
        yield address


async def submit_many(weft: WeftClient) -> None:
    (outcome,) = await weft.submit_many([chat("hi")])
    assert isinstance(outcome, WeftError)
    raise outcome


async def begin_ingest(weft: WeftClient) -> None:
    await weft.ingests.begin("docs", [retrieval_pb2.Document(document_id="d", content=b"text")])


async def watch_ingest(weft: WeftClient) -> None:
    async for _ in weft.ingests.watch("j"):
        pass


CALLS: dict[str, Callable[[WeftClient], Awaitable[object]]] = {
    "generate": lambda weft: drain(weft.generate("hi")),
    "tail": lambda weft: drain(weft.follow("j")),
    "resume": lambda weft: drain(weft.follow("j", 7)),
    "submit": lambda weft: weft.submit(chat("hi")),
    "job": lambda weft: weft.job("j"),
    "wait": lambda weft: weft.wait("j", limit_s=0.5),
    "list": lambda weft: weft.jobs(),
}
# Others are served by another service, or work on what they were sent and have time for it.
ALL_CALLS = CALLS | {"watch an ingest": watch_ingest, "submit many": submit_many, "begin an ingest": begin_ingest}


@pytest.mark.parametrize("call", ALL_CALLS)
async def test_nobody_there_is_given_up_by_every_call(call):
    async with nobody() as endpoint:
        await given_up(endpoint, ALL_CALLS[call], f"no answer from the gateway at {endpoint}")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("outage", [mute, silent])
async def test_a_gateway_that_takes_calls_and_is_silent_is_given_up_by_every_call(outage, call):
    async with outage() as endpoint:
        await given_up(endpoint, CALLS[call], f"no answer from the gateway at {endpoint}")


@pytest.mark.parametrize("call", [*CALLS, "submit many"])
async def test_a_gateway_without_its_log_is_given_up_by_every_call(call):
    async with without_log() as endpoint:
        await given_up(endpoint, ALL_CALLS[call], "the log does not answer")


async def given_up(endpoint: str, call: Callable[[WeftClient], Awaitable[object]], says: str) -> None:
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(HANGS_S), WeftClient(endpoint, "key", patience_s=PATIENCE_S) as weft:
        with pytest.raises(WeftError, match=says) as raised:
            await call(weft)
    assert raised.value.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    # No sooner than patience, unless a wait that was asked for would have outlasted it.
    assert asyncio.get_running_loop().time() - began > PATIENCE_S / 2


async def test_what_was_waited_for_and_what_to_look_at_stands_in_the_error(playing):
    acts = [[NATS_AWAY]] * 20
    async with playing(*acts, patience_s=0.5) as (weft, _):
        with pytest.raises(OutOfPatience, match=f"the gateway at {weft.endpoint}.*see whether nats runs") as raised:
            await drain(weft.generate("hi"))
    assert raised.value.metadata == {"dependency": "nats"}
    assert isinstance(raised.value.__cause__, WeftError)


async def test_a_job_that_is_merely_slow_is_not_given_up(playing, say):
    slow = [say.accepted(), 2.5, say.started(), 2.5, say.done("at last")]
    async with playing(slow, patience_s=1.0) as (weft, gateway):
        generation = weft.generate("hi")
        await drain(generation)
    assert generation.text == "at last"
    assert len(gateway.asked) == 1


async def test_a_silent_job_that_is_known_is_read_on_for_as_long_as_it_is_silent(playing, say):
    middle = say.accepted()
    async with playing([KNOWN, 2.5, say.done("late")], patience_s=1.0) as (weft, gateway):
        generation = weft.follow(say.job_id, middle.sequence)
        await drain(generation)
    assert generation.done
    assert len(gateway.asked) == 1


async def test_streams_of_a_silent_job_may_break_for_longer_than_patience(playing, say):
    accepted = say.accepted()
    broken = [[KNOWN, 1.1, DependencyDown("gateway", "the connection broke")] for _ in range(4)]
    async with playing([accepted], *broken, [say.done("ok")], patience_s=1.5) as (weft, gateway):
        generation = weft.generate("hi")
        await drain(generation)
    assert generation.text == "ok"
    assert len(gateway.asked) == 6


async def test_a_log_that_stays_away_from_a_silent_job_is_given_up(playing, say):
    away = [[KNOWN, NATS_AWAY] for _ in range(50)]
    async with asyncio.timeout(HANGS_S), playing([say.accepted()], *away, patience_s=1.0) as (weft, gateway):
        with pytest.raises(OutOfPatience, match="the log does not answer"):
            await drain(weft.generate("hi"))
    assert len(gateway.asked) < 50


async def test_what_is_still_to_be_sent_of_a_batch_is_not_tried_when_nobody_is_there():
    async with asyncio.timeout(HANGS_S), nobody() as endpoint, WeftClient(endpoint, "key", patience_s=0.5) as weft:
        outcomes = await weft.submit_many(chat("hi") for _ in range(2_500))
    assert len(outcomes) == 2_500
    assert isinstance(outcomes[-1], OutOfPatience)


class Heard(Observer):
    def __init__(self) -> None:
        self.told: list[str] = []

    def on_call(self) -> None:
        self.told.append("asks")

    def on_failure(self, failure: WeftError) -> None:
        self.told.append(f"bears {failure.reason_name}")

    def on_answer(self, event: event_pb2.JobEvent | None = None) -> None:
        self.told.append(f"hears {event.WhichOneof('event')}" if event else "hears")


async def test_an_observer_is_told_what_is_waited_for(say):
    observer = Heard()
    gateway = ScriptedGateway([NATS_AWAY], [say.accepted(), say.done("ok")])
    async with serving(gateway) as address, WeftClient(address, "key", observer=observer) as weft:
        with suppress(StopAsyncIteration):
            await drain(weft.generate("hi"))
        await weft.jobs()
    tried = ["asks", "bears DEPENDENCY_DOWN", "asks", "hears accepted", "hears done"]
    assert observer.told == [*tried, "asks", "hears"]
