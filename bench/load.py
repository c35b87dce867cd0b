"""The load: streamed jobs over gRPC, closed loop and open loop, and the same call made to the mock directly."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import grpc.aio

from weft.common.v1 import chat_pb2
from weft.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from weft.job.v1 import job_pb2
from weft_kit.channel import OPTIONS

PROMPT = "Tell me what the mesh does when a worker dies in the middle of a sentence."


@dataclass(frozen=True)
class Outcome:
    """One call. Seconds; `error` is empty when it ended well and whole."""

    first_token_s: float
    total_s: float
    error: str = ""


@dataclass
class Run:
    """Many calls."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def errors(self) -> list[str]:
        return [outcome.error for outcome in self.outcomes if outcome.error]

    def first_token_ms(self, quantile: float) -> float:
        return 1000 * _quantile([o.first_token_s for o in self.outcomes if not o.error], quantile)

    def total_ms(self, quantile: float) -> float:
        return 1000 * _quantile([o.total_s for o in self.outcomes if not o.error], quantile)

    @property
    def per_second(self) -> float:
        return (len(self.outcomes) - len(self.errors)) / self.seconds


Call = Callable[[], Awaitable[Outcome]]


@asynccontextmanager
async def weft_call(endpoint: str, api_key: str) -> AsyncIterator[Call]:
    """Yields a function that makes one streamed job through the gateway."""
    async with grpc.aio.insecure_channel(endpoint, options=OPTIONS) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        metadata = (("authorization", f"Bearer {api_key}"),)
        message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=PROMPT)])
        asked = gateway_pb2.GenerateRequest(request=job_pb2.GenerationRequest(model="default", messages=[message]))

        async def call() -> Outcome:
            began = time.perf_counter()
            first, text, done = 0.0, [], None
            try:
                async for response in stub.Generate(asked, metadata=metadata, timeout=60):
                    event = response.event
                    if event.HasField("delta"):
                        first = first or time.perf_counter() - began
                        text.append(event.delta.text)
                    elif event.HasField("done"):
                        done = event.done
            except grpc.aio.AioRpcError as error:
                return Outcome(0, 0, f"{error.code().name}: {error.details()}")
            return Outcome(first, time.perf_counter() - began, _judge(done, "".join(text)))

        yield call


@asynccontextmanager
async def direct_call(base_url: str) -> AsyncIterator[Call]:
    """Yields a function that makes the same call to the mock itself, with as little in between as Python allows."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        body = json.dumps({"model": "mock", "stream": True, "messages": [{"role": "user", "content": PROMPT}]})
        headers = {"content-type": "application/json"}

        async def call() -> Outcome:
            began = time.perf_counter()
            first, last = 0.0, b""
            async with session.post(f"{base_url}/chat/completions", data=body, headers=headers) as response:
                async for chunk in response.content.iter_any():
                    if not first and b'"content":"' in chunk:
                        first = time.perf_counter() - began
                    last = chunk
            whole = b"[DONE]" in last
            return Outcome(first, time.perf_counter() - began, "" if whole else "no end marker")

        yield call


async def closed_loop(call: Call, in_flight: int, seconds: float) -> Run:
    """Keeps `in_flight` calls under way for a while."""
    run = Run()
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            run.outcomes.append(await call())

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    run.seconds = time.perf_counter() - began
    return run


async def open_loop(call: Call, per_second: float, seconds: float) -> Run:
    """Starts calls on a fixed schedule, whether or not earlier ones have ended: no coordinated omission.

    Time to first token counts from the scheduled start, so a late start is charged to the mesh.
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


def _judge(done: object, text: str) -> str:
    if done is None:
        return "the stream ended without done"
    if done.state != job_pb2.JOB_STATE_SUCCEEDED:
        return f"{job_pb2.JobState.Name(done.state)}: {done.error.message}"
    return "" if text == done.answer.text else "the deltas are not the answer"


def _quantile(values: list[float], quantile: float) -> float:
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]
