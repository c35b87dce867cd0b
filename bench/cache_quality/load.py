"""The cache under load: callers that ask without a pause, arrivals at a fixed rate, and one caller next to a crowd."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from bench.harness.processes import HostLoad, Meter

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2

TENANT = "bench"
_BYSTANDER = "bystander"
_CALLERS = (1, 8, 32, 64, 256)
_HURRIED = (1, 8, 64, 256)
_CROWD = 64
_SECONDS = 5.0
_ENTRIES_OF_BYSTANDER = 300  # the first half as many questions are paraphrases of entries among these
_PROVIDER_S, _FAST_PROVIDER_S = 5.0, 0.75
"""With the cache's defaults a lookup may take a fifth."""
_GATEWAY_LIMIT_S = 2.0
_ENOUGH_TO_LEARN = 32


def of_tenant(tenant: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a tenant's calls."""
    return (("weft-tenant", tenant),)


def asking(question: str) -> job_pb2.GenerationRequest:
    """Returns a request that both tiers may answer."""
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=question)])
    return job_pb2.GenerationRequest(
        model="default",
        messages=[message],
        sampling=chat_pb2.SamplingParams(temperature=0),
        cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_SEMANTIC),
    )


def answered(question: str) -> pb.StoreRequest:
    """Returns the request to store a question with an answer of its own."""
    answer = job_pb2.Answer(text=f"To: {question}", finish_reason=chat_pb2.FINISH_REASON_STOP)
    return pb.StoreRequest(request=asking(question), answer=answer)


@dataclass(slots=True)
class Outcomes:
    """The milliseconds that lookups took, by their outcome."""

    took: dict[str, list[float]] = field(default_factory=dict)

    def add(self, outcome: str, milliseconds: float) -> None:
        self.took.setdefault(outcome, []).append(milliseconds)

    @property
    def lookups(self) -> int:
        return sum(map(len, self.took.values()))

    def share(self, *outcomes: str) -> float:
        return sum(len(self.took.get(outcome, ())) for outcome in outcomes) / max(1, self.lookups)

    def percentile_ms(self, percent: int, *outcomes: str) -> float:
        """Returns a percentile of the time of lookups with these outcomes, by default of all."""
        took = [one for name, some in self.took.items() if not outcomes or name in outcomes for one in some]
        return statistics.quantiles(took, n=100)[percent - 1] if len(took) > 1 else sum(took)


@dataclass(slots=True)
class Level:
    """One load: what was asked, the outcomes, the CPU used, and the share of the cores that others used."""

    group: str
    name: str
    outcomes: Outcomes = field(default_factory=Outcomes)
    seconds: float = 0.0
    cpu_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds per lookup, by process."""
    others_percent: float = 0.0

    @property
    def a_second(self) -> float:
        return self.outcomes.lookups / self.seconds

    @property
    def hits_a_second(self) -> float:
        return self.outcomes.share("hit") * self.a_second


class Load:
    """Asks a cache for the questions that are `stored`, and for paraphrases of them, which are `asked`."""

    def __init__(
        self, stub: "rpc.CacheServiceAsyncStub", meter: Meter, stored: Sequence[str], asked: Sequence[str]
    ) -> None:
        self._stub, self._meter, self._stored = stub, meter, stored
        self._asked = list(dict.fromkeys(asked))
        self._next = itertools.cycle(self._asked)

    async def levels(self) -> list[Level]:
        """Returns every load, measured one after another; a minute and a half in all."""
        await self._answers_take(_PROVIDER_S)
        patient = [await self._closed("patient", callers, 0.0) for callers in _CALLERS]
        capacity = max(level.a_second * level.outcomes.share("hit", "not_stored") for level in patient)
        arrivals = [await self._open(times, times * capacity) for times in (0.5, 1.0, 2.0)]
        beside = [await self._exact_beside(), *await self._bystander()]
        await self._answers_take(_FAST_PROVIDER_S)
        hurried = [await self._closed("hurried", callers, _FAST_PROVIDER_S) for callers in _HURRIED]
        return [*patient, *hurried, *arrivals, *beside]

    async def _answers_take(self, seconds: float) -> None:
        """Teaches the cache how long answers take, by answers that the semantic tier does not see."""
        for number in range(_ENOUGH_TO_LEARN):
            stored = answered(f"How long does it take? {number}")
            stored.request.cache.mode = job_pb2.CACHE_MODE_EXACT
            stored.generation_time.FromMilliseconds(int(1000 * seconds))
            for tenant in (TENANT, _BYSTANDER):
                await self._stub.Store(stored, metadata=of_tenant(tenant))

    async def _closed(self, group: str, callers: int, pause_s: float) -> Level:
        """Runs callers that each ask again once they have an answer, from the cache or after a pause."""
        level = Level(group, f"{callers} caller" + "s" * (callers > 1))
        async with self._measured(level), self._crowd(callers, level.outcomes, pause_s):
            await asyncio.sleep(_SECONDS)
        return level

    async def _open(self, times: float, a_second: float) -> Level:
        """Runs arrivals at even intervals, whether or not earlier ones have ended."""
        level = Level("open", f"{times:g} of capacity, {a_second:.0f} a second")
        async with self._measured(level), asyncio.TaskGroup() as group:
            began = time.perf_counter()
            for number in range(int(a_second * _SECONDS)):
                await asyncio.sleep(max(0.0, began + number / a_second - time.perf_counter()))
                group.create_task(self._ask(next(self._next), TENANT, level.outcomes))
        return level

    async def _exact_beside(self) -> Level:
        level, crowd = Level("beside", f"exact, beside {_CROWD} semantic callers"), Outcomes()
        async with self._measured(level), self._crowd(_CROWD, crowd):
            await self._one_by_one(self._stored, TENANT, level.outcomes)
        return level

    async def _bystander(self) -> list[Level]:
        """Runs one caller of a tenant with few entries, alone and next to another tenant's crowd."""
        stored = set(self._stored[:_ENTRIES_OF_BYSTANDER])
        for question in stored:
            await self._stub.Store(answered(question), metadata=of_tenant(_BYSTANDER))
        asked = self._asked[: _ENTRIES_OF_BYSTANDER // 2]
        alone = Level("beside", "another tenant's caller, alone")
        level, crowd = Level("beside", f"the same, beside {_CROWD} of this one"), Outcomes()
        async with self._measured(alone):
            await self._one_by_one(asked, _BYSTANDER, alone.outcomes)
        async with self._measured(level), self._crowd(_CROWD, crowd):
            await self._one_by_one(asked, _BYSTANDER, level.outcomes)
        return [alone, level]

    async def _one_by_one(self, questions: Sequence[str], tenant: str, outcomes: Outcomes) -> None:
        until = time.perf_counter() + _SECONDS
        for question in itertools.cycle(questions):
            await self._ask(question, tenant, outcomes)
            if time.perf_counter() > until:
                return

    @asynccontextmanager
    async def _crowd(self, callers: int, outcomes: Outcomes, pause_s: float = 0.0) -> AsyncIterator[None]:
        """Runs callers while the block lasts; after a miss they pause as if a provider answered."""
        is_over = False

        async def ask_on() -> None:
            while not is_over:
                if not await self._ask(next(self._next), TENANT, outcomes):
                    await asyncio.sleep(pause_s)

        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(ask_on())
            yield
            is_over = True

    @asynccontextmanager
    async def _measured(self, level: Level) -> AsyncIterator[None]:
        self._meter.restart()
        host = HostLoad()
        began = time.perf_counter()
        yield
        level.seconds = time.perf_counter() - began
        cpu_s = self._meter.cpu_seconds()
        level.others_percent = host.others_percent(cpu_s) + host.stolen_percent()
        level.cpu_ms = {process: 1000 * used / max(1, level.outcomes.lookups) for process, used in cpu_s.items()}

    async def _ask(self, question: str, tenant: str, outcomes: Outcomes) -> bool:
        """Returns whether the cache had an answer."""
        began = time.perf_counter()
        request = pb.LookupRequest(request=asking(question))
        try:
            answer = await self._stub.Lookup(request, timeout=_GATEWAY_LIMIT_S, metadata=of_tenant(tenant))
        except grpc.aio.AioRpcError:
            outcome = "late"
        else:
            missed = pb.Missed.Reason.Name(answer.missed.reason).removeprefix("REASON_").lower()
            outcome = "hit" if answer.HasField("found") else missed
        outcomes.add(outcome, 1000 * (time.perf_counter() - began))
        return outcome == "hit"
