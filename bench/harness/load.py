"""The load: streamed jobs in a closed or an open loop, and the same call made to the mock directly."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import grpc.aio
from bench.harness.client import PROMPT, GatewayClient, connected
from bench.report.samples import quantile

from weft.job.v1 import event_pb2, job_pb2


@dataclass(frozen=True)
class Outcome:
    """The outcome of one call, in seconds; `error` is empty if it ended well and complete."""

    first_token_s: float
    total_s: float
    error: str = ""


@dataclass
class Run:
    """The outcomes of many calls."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def errors(self) -> list[str]:
        return [outcome.error for outcome in self.outcomes if outcome.error]

    def first_token_ms(self, share: float) -> float:
        """Returns a quantile of the time to first token, over the calls without an error."""
        return 1000 * quantile((o.first_token_s for o in self.outcomes if not o.error), share)

    def total_ms(self, share: float) -> float:
        """Returns a quantile of the total time, over the calls without an error."""
        return 1000 * quantile((o.total_s for o in self.outcomes if not o.error), share)

    @property
    def per_second(self) -> float:
        """Calls without an error per second."""
        return (len(self.outcomes) - len(self.errors)) / self.seconds


Call = Callable[[], Awaitable[Outcome]]


@asynccontextmanager
async def weft_call(endpoint: str, api_key: str) -> AsyncIterator[Call]:
    """Yields a function that runs one streamed job through the gateway."""
    async with connected(endpoint, api_key) as client:

        async def call() -> Outcome:
            return await streamed_job(client, "default")

        yield call


async def streamed_job(client: GatewayClient, model: str) -> Outcome:
    """Makes one streamed job, and judges what came of it."""
    began = time.perf_counter()
    first, text, done = 0.0, [], None
    try:
        async for event in client.generate(model):
            if event.HasField("delta"):
                first = first or time.perf_counter() - began
                text.append(event.delta.text)
            elif event.HasField("done"):
                done = event.done
    except grpc.aio.AioRpcError as error:
        return Outcome(0, 0, f"{error.code().name}: {error.details()}")
    return Outcome(first, time.perf_counter() - began, judge(done, "".join(text)))


@asynccontextmanager
async def direct_call(base_url: str) -> AsyncIterator[Call]:
    """Yields a function that makes the same call directly to the mock, with as little overhead as Python allows."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> Outcome:
            began = time.perf_counter()
            first, last = 0.0, b""
            async for chunk in direct_chunks(session, base_url, "mock"):
                if not first and b'"content":"' in chunk:
                    first = time.perf_counter() - began
                last = chunk
            whole = b"[DONE]" in last
            return Outcome(first, time.perf_counter() - began, "" if whole else "no end marker")

        yield call


async def direct_chunks(session: aiohttp.ClientSession, base_url: str, model: str) -> AsyncIterator[bytes]:
    """Yields an answer of the mock in the pieces in which it arrives."""
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": PROMPT}]})
    headers = {"content-type": "application/json"}
    async with session.post(f"{base_url}/chat/completions", data=body, headers=headers) as response:
        async for chunk in response.content.iter_any():
            yield chunk


async def closed_loop(call: Call, in_flight: int, seconds: float) -> Run:
    """Keeps `in_flight` calls under way for a number of seconds."""
    run = Run()
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            run.outcomes.append(await call())

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    run.seconds = time.perf_counter() - began
    return run


async def open_loop(call: Call, per_second: float, seconds: float) -> Run:
    """Starts calls on a fixed schedule, whether or not earlier ones have ended, which avoids coordinated omission.

    Time to first token counts from the scheduled start, so a late start counts against the mesh.
    """
    run = Run()
    began = time.perf_counter()
    calls: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        late = time.perf_counter() - due
        outcome = await call()
        run.outcomes.append(Outcome(outcome.first_token_s + late, outcome.total_s + late, outcome.error))

    for n in range(round(per_second * seconds)):
        due = began + n / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(due))
        calls.add(task)
        task.add_done_callback(calls.discard)
    await asyncio.gather(*calls)
    run.seconds = time.perf_counter() - began
    return run


def judge(done: event_pb2.Done | None, text: str) -> str:
    """Returns what is wrong with a stream that ended this way; "" if nothing is."""
    if done is None:
        return "the stream ended without done"
    if done.state != job_pb2.JOB_STATE_SUCCEEDED:
        return f"{job_pb2.JobState.Name(done.state)}: {done.error.message}"
    return "" if text == done.answer.text else "the deltas are not the answer"
