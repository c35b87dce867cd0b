"""The queue in front of the semantic tier: limits, refusals, and turns. What stands behind it is played."""

import asyncio
from collections import deque

import pytest

from weft_cache.partition import address
from weft_cache.policy import LookupTerms, Tier
from weft_cache.records import Lookup, Vector
from weft_cache.semantic.choice import Miss, Reason
from weft_cache.semantic.coverage import ALL, Coverage, QuestionReader
from weft_cache.semantic.queue import LookupLimits, SemanticQueue
from weft_kit.rpc.context import CallContext, bound, current
from weft_kit.rpc.errors import DeadlineExceeded

TERMS = LookupTerms(Tier.SEMANTIC, 60.0, 0.7)
FOUND = Miss(Reason.DOUBTED)
VECTOR = Vector("all-MiniLM-L6-v2-fp32", b"")
SLOW_S = 0.2


class Played:
    """A semantic tier and an embedder whose work ends when the test says so, in the order it was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.deadlines: list[float | None] = []
        self._under_way: deque[asyncio.Event] = deque()
        self._news = asyncio.Event()

    async def find(self, asked, where, terms, now) -> Miss:
        await self._work(asked.tenant)
        return FOUND

    def remembered(self, tenant, text) -> Vector | None:
        return VECTOR if text == "known" else None

    async def embed(self, tenant, text) -> Vector:
        if self.remembered(tenant, text) is None:
            await self._work(f"{tenant} stores")
        return VECTOR

    async def _work(self, name: str) -> None:
        self.begun.append(name)
        self.deadlines.append(current().deadline)
        ends = asyncio.Event()
        self._under_way.append(ends)
        self._news.set()
        await ends.wait()

    async def end_one(self) -> None:
        """Ends what was begun first, once something was."""
        while not self._under_way:
            self._news.clear()
            await self._news.wait()
        self._under_way.popleft().set()


@pytest.fixture
def played() -> Played:
    return Played()


def reader(played: Played) -> QuestionReader:
    return QuestionReader(played, Coverage({ALL}))


def queue(played: Played, limit_s: float = 60.0, at_once: int = 1) -> SemanticQueue:
    return SemanticQueue(played, reader(played), LookupLimits(0.2, limit_s, limit_s, limit_s), at_once)


def lookup(queue: SemanticQueue, generation, tenant: str = "acme") -> asyncio.Task:
    request = generation("Is it?")
    return asyncio.create_task(queue.find(Lookup(tenant, request, 0), address(tenant, request, 0), TERMS, 0.0))


async def seen_to_take(queue: SemanticQueue, played: Played, generation, seconds: float) -> None:
    """Lets the queue see a lookup that took at least so long."""
    slow = lookup(queue, generation, "slow")
    await asyncio.sleep(seconds)
    await played.end_one()
    await slow
    played.begun.clear()
    played.deadlines.clear()


def test_a_lookup_may_take_a_share_of_what_answers_of_its_tenant_and_alias_usually_take():
    limits = LookupLimits(share=0.2, least_s=0.15, most_s=2.0, unknown_s=1.0)
    for seconds in (4.0, 5.0, 300.0):
        limits.answered("acme", "small", seconds)
    assert limits.of("acme", "small") == pytest.approx(1.0)  # one that took for ever is not usual
    assert limits.of("acme", "large") == limits.of("other", "small") == 1.0


@pytest.mark.parametrize(("answer_s", "limit_s"), [(0.1, 0.15), (2.0, 0.4), (60.0, 2.0)])
def test_the_share_has_bounds(answer_s, limit_s):
    limits = LookupLimits(share=0.2, least_s=0.15, most_s=2.0, unknown_s=1.0)
    limits.answered("acme", "small", answer_s)
    assert limits.of("acme", "small") == pytest.approx(limit_s)


def test_what_was_usual_is_forgotten():
    limits = LookupLimits(share=0.2, least_s=0.15, most_s=2.0, unknown_s=1.0)
    for seconds in (1.0,) * 32 + (5.0,) * 20:
        limits.answered("acme", "small", seconds)
    assert limits.of("acme", "small") == pytest.approx(1.0)


async def test_calls_behind_the_queue_know_of_the_limit_and_of_a_nearer_deadline_of_the_caller(played, generation):
    waiting, now = queue(played, limit_s=30.0, at_once=2), asyncio.get_running_loop().time()
    with bound(CallContext(tenant="acme", deadline=now + 10.0)):
        hurried = lookup(waiting, generation)
    usual = lookup(waiting, generation)
    for _ in range(2):
        await played.end_one()
    assert await asyncio.gather(hurried, usual) == [FOUND, FOUND]
    # Of what the caller has left some is kept for the answer to reach it.
    assert now + 8.0 < played.deadlines[0] < now + 10.0
    assert now + 29.0 < played.deadlines[1] < now + 60.0


async def test_a_lookup_whose_turn_would_come_too_late_is_refused_before_anything_is_computed(played, generation):
    waiting = queue(played, limit_s=SLOW_S)
    patient = SemanticQueue(played, reader(played), LookupLimits(0.2, 60.0, 60.0, 60.0), at_once=1)
    for one in (waiting, patient):
        learnt = lookup(one, generation)
        await asyncio.sleep(SLOW_S / 2)
        await played.end_one()
        await learnt
    running = [lookup(one, generation) for one in (waiting, patient)]
    await asyncio.sleep(0)
    begun = len(played.begun)
    assert await lookup(waiting, generation) == Miss(Reason.OVERLOADED)
    assert len(played.begun) == begun
    accepted = lookup(patient, generation)
    for _ in range(3):
        await played.end_one()
    assert await accepted == FOUND
    await asyncio.gather(*running)


async def test_one_may_always_try_however_slow_lookups_were(played, generation):
    waiting = queue(played, limit_s=SLOW_S)
    slow = lookup(waiting, generation)
    assert await slow == Miss(Reason.LATE)
    trial = lookup(waiting, generation)
    await played.end_one()  # the one that is late, and does not hear of it
    await played.end_one()
    assert await trial == FOUND


async def test_a_lookup_whose_turn_did_not_come_in_time_is_not_begun(played, generation):
    waiting = queue(played, limit_s=SLOW_S)
    holder, unlucky = lookup(waiting, generation, "holder"), lookup(waiting, generation, "unlucky")
    assert await unlucky == Miss(Reason.OVERLOADED)
    assert played.begun == ["holder"]
    assert await holder == Miss(Reason.LATE)


async def test_one_caller_of_a_tenant_waits_for_one_lookup_of_anothers_crowd(played, generation):
    waiting = queue(played)
    crowd = [lookup(waiting, generation, "crowd") for _ in range(64)]
    await asyncio.sleep(0)
    single = lookup(waiting, generation, "single")
    for _ in range(65):
        await played.end_one()
        await asyncio.sleep(0)
    assert await single == FOUND
    assert played.begun.index("single") <= 2
    assert set(await asyncio.gather(*crowd)) == {FOUND}


async def test_a_crowd_that_is_refused_keeps_no_other_tenant_out(played, generation):
    waiting = queue(played, limit_s=60.0)
    await seen_to_take(waiting, played, generation, SLOW_S)
    with bound(CallContext(deadline=asyncio.get_running_loop().time() + 20 * SLOW_S)):
        crowd = [lookup(waiting, generation, "crowd") for _ in range(64)]
        await asyncio.sleep(0)
        refused = [one for one in crowd if one.done()]
        single = lookup(waiting, generation, "single")
        await asyncio.sleep(0)
    assert len(refused) > 40
    assert {one.result() for one in refused} == {Miss(Reason.OVERLOADED)}
    assert not single.done()
    for one in (*crowd, single):
        one.cancel()
    await asyncio.gather(*crowd, single, return_exceptions=True)


async def test_lookups_go_before_what_is_to_be_stored(played, generation):
    waiting = queue(played, limit_s=60.0)
    holder = lookup(waiting, generation)
    await asyncio.sleep(0)
    with bound(CallContext(deadline=asyncio.get_running_loop().time() + 1000.0)):
        stored = asyncio.create_task(waiting.embed("acme", "text"))
        await asyncio.sleep(0)
    with bound(CallContext(deadline=asyncio.get_running_loop().time() + 30.0)):
        asked = lookup(waiting, generation)
        await asyncio.sleep(0)
    for _ in range(3):
        await played.end_one()
    assert await asyncio.gather(holder, stored, asked) == [FOUND, VECTOR, FOUND]
    assert played.begun == ["acme", "acme", "acme stores"]


async def test_what_is_known_is_stored_without_waiting(played, generation):
    waiting = queue(played)
    holder = lookup(waiting, generation)
    await asyncio.sleep(0)
    assert await waiting.embed("acme", "known") == VECTOR
    await played.end_one()
    await holder


async def test_a_caller_without_time_is_not_looked_up_for(played, generation):
    waiting = queue(played)
    with bound(CallContext(deadline=asyncio.get_running_loop().time())), pytest.raises(DeadlineExceeded):
        await waiting.find(Lookup("acme", generation("Is it?"), 0), None, TERMS, 0.0)


async def test_a_question_in_a_language_nobody_here_compares_takes_no_turn(played: Played, generation) -> None:
    english = QuestionReader(played, Coverage({"en"}))
    idle = SemanticQueue(played, english, LookupLimits(0.2, 60.0, 60.0, 60.0), at_once=1)
    question = "通知をオンにする方法は"
    assert await idle.find(Lookup("acme", generation(question), 0), None, TERMS, 0.0) == Miss(Reason.LANGUAGE)
    assert await idle.embed("acme", question) is None
    assert played.begun == []
