"""The semantic queue under load, in virtual time: callers in a closed loop, and a machine that computes so much."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from tests.cache.semantic.virtual_time import run_virtually

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_cache.policy import LookupTerms, Tier
from weft_cache.records import Lookup
from weft_cache.semantic.choice import Miss, Reason
from weft_cache.semantic.coverage import ALL, Coverage, QuestionReader
from weft_cache.semantic.queue import LookupLimits, SemanticQueue

TERMS = LookupTerms(Tier.SEMANTIC, 60.0, 0.7)
QUESTION = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text="Is it?")])
REQUEST = job_pb2.GenerationRequest(model="default", messages=[QUESTION])
HIT = object()
SECONDS = 20.0
AWAY_S = 0.75
CAPACITY = 75
"""Lookups a second of the played machine, kept busy."""


class TwoCores:
    """Plays a semantic tier: a lookup alone takes 8 to 40 ms, and two cores do 1.6 times the work of one caller."""

    def __init__(self) -> None:
        self._draw = random.Random(1)
        self._left: dict[asyncio.Future[None], float] = {}
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def find(self, *_: object) -> object:
        is_hit = self._draw.random() < 0.7
        await self._compute(self._draw.uniform(0.015, 0.04) if is_hit else 0.008)
        return HIT if is_hit else Miss(Reason.DOUBTED)

    async def _compute(self, seconds: float) -> None:
        self._go_on()
        done = asyncio.get_running_loop().create_future()
        self._left[done] = seconds
        self._wake()
        try:
            await done
        finally:
            self._go_on()
            self._left.pop(done, None)
            self._wake()

    def _go_on(self) -> None:
        """Gives everyone its share of the time since the last look."""
        now = asyncio.get_running_loop().time()
        for one in self._left:
            self._left[one] -= (now - self._since) * self._speed()
        self._since = now

    def _speed(self) -> float:
        return min(1.0, 1.6 / len(self._left))

    def _wake(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._left:
            after_s = max(0.0, min(self._left.values())) / self._speed()
            self._timer = asyncio.get_running_loop().call_later(after_s + 1e-6, self._end)

    def _end(self) -> None:
        self._go_on()
        for one in [one for one, left in self._left.items() if left <= 1e-6]:
            del self._left[one]
            if not one.done():
                one.set_result(None)
        self._wake()


@dataclass
class Seen:
    """What one tenant's lookups came to, and how long refusing took."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refused_in_s: list[float] = field(default_factory=list)

    @property
    def hits_a_second(self) -> float:
        return self.outcomes["hit"] / SECONDS

    def share(self, outcome: str) -> float:
        return self.outcomes[outcome] / self.outcomes.total()


async def asked(limit_s: float, callers: dict[str, int]) -> dict[str, Seen]:
    """So many callers of each tenant ask for a while; those who are not served are away, at their provider."""
    queue = SemanticQueue(
        TwoCores(), QuestionReader(None, Coverage({ALL})), LookupLimits(0.2, limit_s, limit_s, limit_s), at_once=4
    )
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS
    seen = {tenant: Seen() for tenant in callers}

    async def ask(tenant: str) -> None:
        while (began := loop.time()) < until:
            found = await queue.find(Lookup(tenant, REQUEST, 0), None, TERMS, 0.0)
            outcome = "hit" if found is HIT else found.reason.value
            seen[tenant].outcomes[outcome] += 1
            if outcome == "overloaded":
                seen[tenant].refused_in_s.append(loop.time() - began)
            if outcome in {"overloaded", "late"}:
                await asyncio.sleep(AWAY_S)

    await asyncio.gather(*(ask(tenant) for tenant, number in callers.items() for _ in range(number)))
    return seen


def under_load(limit_s: float, **callers: int) -> dict[str, Seen]:
    return run_virtually(asked(limit_s, callers))


@pytest.mark.parametrize("callers", [1, 8, 32, 64])
def test_where_there_is_time_for_all_the_hits_are_those_of_one_caller(callers):
    seen = under_load(1.2, acme=callers)["acme"]
    assert seen.share("hit") == pytest.approx(0.7, abs=0.03)
    assert seen.outcomes["overloaded"] + seen.outcomes["late"] == 0


@pytest.mark.parametrize("callers", [32, 64, 256])
def test_where_there_is_not_the_others_are_refused_at_once_and_the_hits_do_not_collapse(callers):
    seen = under_load(0.15, acme=callers)["acme"]
    assert seen.hits_a_second > 0.8 * 0.7 * CAPACITY
    assert seen.share("late") < 0.04
    refused_in_s = sorted(seen.refused_in_s)
    assert refused_in_s[int(0.9 * len(refused_in_s))] == 0


@pytest.mark.parametrize("limit_s", [0.15, 1.2])
def test_a_tenant_with_one_caller_keeps_its_hits_while_another_floods(limit_s):
    seen = under_load(limit_s, flood=64, single=1)["single"]
    assert seen.share("hit") == pytest.approx(0.7, abs=0.05)
