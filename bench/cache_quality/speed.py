"""How long lookups take: Valkey, the cache and the inference service as processes of their own, full of questions."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from bench.cache_quality.load import TENANT, Level, Load, answered, asking, of_tenant
from bench.cache_quality.pairs import Pair
from bench.harness.processes import HostLoad, Meter

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft_compose.ports import free_ports
from weft_compose.servers import ValkeyServer, serving

_ROUNDS = 300
_AT_ONCE = 8
# As it ships, except that every semantic lookup embeds its question.
_CACHE = {"REMEMBERED_VECTORS": "0"}


@dataclass(frozen=True, slots=True)
class Times:
    """Lookups one after another (milliseconds, hits, CPU milliseconds by process, per cent of the cores that others
    used) and by several callers at once (lookups and hits per second).
    """

    name: str
    median_ms: float
    p99_ms: float
    hits: int
    lookups: int
    cpu_ms: Mapping[str, float]
    others_percent: float
    lookups_a_second: float
    hits_a_second: float


class _Lookups:
    """Asks the cache, and remembers the hits."""

    def __init__(self, stub: "rpc.CacheServiceAsyncStub", meter: Meter) -> None:
        self._stub, self._meter = stub, meter
        self.hits: list[str] = []

    async def fill(self, questions: Sequence[str]) -> None:
        # In a mesh every answer is looked up before it is stored; the first lookup makes the index.
        await self._ask(questions[0])
        await _by_several(self._store, questions)

    async def timed(self, name: str, one_by_one: Sequence[str], together: Sequence[str]) -> Times:
        """Asks some questions one after another, and others by several callers at once."""
        self.hits = []
        self._meter.restart()
        host = HostLoad()
        took = [await self._ask(question) for question in one_by_one]
        cpu_s = self._meter.cpu_seconds()
        others = host.others_percent(cpu_s) + host.stolen_percent()
        alone = len(self.hits)
        began = time.perf_counter()
        await _by_several(self._ask, together)
        seconds = time.perf_counter() - began
        return Times(
            name,
            statistics.median(took),
            statistics.quantiles(took, n=100)[98],
            alone,
            len(took),
            {process: 1000 * used / len(took) for process, used in cpu_s.items()},
            others,
            len(together) / seconds,
            (len(self.hits) - alone) / seconds,
        )

    async def _ask(self, question: str) -> float:
        began = time.perf_counter()
        answer = await self._stub.Lookup(pb.LookupRequest(request=asking(question)), metadata=of_tenant(TENANT))
        if answer.HasField("found"):
            self.hits.append(question)
        return 1000 * (time.perf_counter() - began)

    async def _store(self, question: str) -> None:
        await self._stub.Store(answered(question), metadata=of_tenant(TENANT))


async def measure(pairs: Sequence[Pair], entries: int) -> tuple[list[Times], list[Level]]:
    """Fills a partition with `entries` questions, then asks some of them again, literally and in other words, one
    after another and under load.
    """
    same = [pair for pair in pairs if pair.same]
    stored = list(dict.fromkeys([pair.first for pair in same] + [pair.first for pair in pairs]))[:entries]
    among = set(stored)
    asked = [pair.second for pair in same if pair.first in among and pair.second not in among]
    async with _lookups() as (stub, meter):
        lookups = _Lookups(stub, meter)
        await lookups.fill(stored)
        exact = await lookups.timed("exact", stored[:_ROUNDS], stored[_ROUNDS : 2 * _ROUNDS])
        semantic = await lookups.timed("semantic", asked[:_ROUNDS], asked[_ROUNDS : 2 * _ROUNDS])
        hits = lookups.hits
        times = [exact, semantic, await lookups.timed("semantic, those that hit", hits, hits)]
        return times, await Load(stub, meter, stored, asked).levels()


@asynccontextmanager
async def _lookups() -> AsyncIterator[tuple["rpc.CacheServiceAsyncStub", Meter]]:
    with TemporaryDirectory(prefix="weft-bench-") as folder:
        cache, inference = (f"127.0.0.1:{port}" for port in free_ports(2))
        with (
            serving(lambda port: ValkeyServer(Path(folder) / "valkey", port)) as valkey,
            _process("inference", inference, {"ENGINE": "echo", "STATE_DIR": folder}) as reading,
            _process("cache", cache, {"REDIS_URL": valkey.url, "INFERENCE_TARGET": inference, **_CACHE}) as caching,
        ):
            pids = {"cache": caching, "inference": reading}
            if valkey.child is not None:
                pids["Valkey"] = valkey.child.pid
            async with grpc.aio.insecure_channel(cache) as channel:
                stub: rpc.CacheServiceAsyncStub = rpc.CacheServiceStub(channel)
                yield stub, Meter(pids)


@contextmanager
def _process(service: str, listen: str, settings: Mapping[str, str]) -> Iterator[int]:
    """Runs a service; yields its pid once it serves."""
    told = {f"WEFT_{service.upper()}_{name}": value for name, value in {"LISTEN": listen, **settings}.items()}
    command = [sys.executable, "-m", f"weft_{service}"]
    process = subprocess.Popen(command, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(listen) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


async def _by_several(ask: Callable[[str], Awaitable[object]], questions: Sequence[str]) -> None:
    async def some(share: Sequence[str]) -> None:
        for question in share:
            await ask(question)

    await asyncio.gather(*(some(questions[first::_AT_ONCE]) for first in range(_AT_ONCE)))
