"""How long lookups take: Valkey, the cache and the inference service as processes of their own, full of questions."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from bench.cache_quality.pairs import Pair

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_compose.ports import free_ports
from weft_compose.servers import ValkeyServer, serving

_TENANT = (("weft-tenant", "bench"),)
_ROUNDS = 300
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of lookups one after another, and hits a second of several callers at once."""

    name: str
    median_ms: float
    p99_ms: float
    hits: int
    lookups: int
    a_second: float


async def measure(pairs: Sequence[Pair], entries: int) -> list[Times]:
    """Fills one partition with so many questions, then asks some of them again, literally and in other words."""
    same = [pair for pair in pairs if pair.same]
    stored = list(dict.fromkeys([pair.first for pair in same] + [pair.first for pair in pairs]))[:entries]
    among = set(stored)
    asked = [pair.second for pair in same if pair.first in among and pair.second not in among][: 2 * _ROUNDS]
    async with _cache() as stub:
        await _fill(stub, stored)
        return [await _timed(stub, "exact", stored[: 2 * _ROUNDS]), await _timed(stub, "semantic", asked)]


@asynccontextmanager
async def _cache() -> AsyncIterator["rpc.CacheServiceAsyncStub"]:
    with TemporaryDirectory(prefix="weft-bench-") as folder:
        cache, inference = (f"127.0.0.1:{port}" for port in free_ports(2))
        patient = {"EMBED_LIMIT_S": "5", "VERIFY_LIMIT_S": "5", "REDIS_LIMIT_S": "5"}
        with (
            serving(lambda port: ValkeyServer(Path(folder) / "valkey", port)) as valkey,
            _process("inference", inference, {"ENGINE": "echo", "STATE_DIR": folder}),
            _process("cache", cache, {"REDIS_URL": valkey.url, "INFERENCE_TARGET": inference, **patient}),
        ):
            async with grpc.aio.insecure_channel(cache) as channel:
                stub: rpc.CacheServiceAsyncStub = rpc.CacheServiceStub(channel)
                yield stub


@contextmanager
def _process(service: str, listen: str, settings: Mapping[str, str]) -> Iterator[None]:
    told = {f"WEFT_{service.upper()}_{name}": value for name, value in {"LISTEN": listen, **settings}.items()}
    command = [sys.executable, "-m", f"weft_{service}"]
    process = subprocess.Popen(command, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(listen) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield
    finally:
        process.terminate()
        process.wait()


async def _fill(stub: "rpc.CacheServiceAsyncStub", questions: Sequence[str]) -> None:
    async def some(share: Sequence[str]) -> None:
        for question in share:
            answer = job_pb2.Answer(text=f"To: {question}", finish_reason=chat_pb2.FINISH_REASON_STOP)
            await stub.Store(pb.StoreRequest(request=_request(question), answer=answer), metadata=_TENANT)

    await asyncio.gather(*(some(questions[first::_AT_ONCE]) for first in range(_AT_ONCE)))


async def _timed(stub: "rpc.CacheServiceAsyncStub", name: str, questions: Sequence[str]) -> Times:
    """The first half is asked one after another, the second by several callers at once."""
    one_by_one, together = questions[: len(questions) // 2], questions[len(questions) // 2 :]
    took, hits = [], 0
    for question in one_by_one:
        began = time.perf_counter()
        hits += await _is_hit(stub, question)
        took.append(1000 * (time.perf_counter() - began))
    began = time.perf_counter()

    async def some(share: Sequence[str]) -> None:
        for question in share:
            await _is_hit(stub, question)

    await asyncio.gather(*(some(together[first::_AT_ONCE]) for first in range(_AT_ONCE)))
    a_second = len(together) / (time.perf_counter() - began)
    p99 = statistics.quantiles(took, n=100)[98]
    return Times(name, statistics.median(took), p99, hits, len(one_by_one), a_second)


async def _is_hit(stub: "rpc.CacheServiceAsyncStub", question: str) -> bool:
    answer = await stub.Lookup(pb.LookupRequest(request=_request(question)), metadata=_TENANT)
    return answer.HasField("found")


def _request(question: str) -> job_pb2.GenerationRequest:
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=question)])
    sampling = chat_pb2.SamplingParams(temperature=0)
    return job_pb2.GenerationRequest(model="default", messages=[message], sampling=sampling)
