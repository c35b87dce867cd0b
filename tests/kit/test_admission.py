"""The queue for slots: who goes next, who is ahead, who is refused, and what leaving frees."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from weft_kit.admission import Admission, ServiceTime
from weft_kit.rpc.errors import DeadlineExceeded, Draining, Overloaded

FAR = 1e9


class Caller:
    """Somebody who takes a slot and holds it until told otherwise."""

    def __init__(self, admission: Admission, deadline: float) -> None:
        self.has_slot = asyncio.Event()
        self._may_go = asyncio.Event()
        self.task = asyncio.create_task(self._call(admission, deadline))

    async def _call(self, admission: Admission, deadline: float) -> None:
        async with admission.slot(deadline):
            self.has_slot.set()
            await self._may_go.wait()

    async def done(self) -> None:
        self._may_go.set()
        await self.task

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def queued(admission: Admission, *deadlines: float) -> list[Caller]:
    callers = [Caller(admission, deadline) for deadline in deadlines]
    await asyncio.sleep(0)
    return callers


async def test_slots_are_given_at_once_and_no_more_than_there_are():
    admission = Admission(slots=2, queue_limit=8)
    callers = await queued(admission, FAR, FAR, FAR)
    assert [caller.has_slot.is_set() for caller in callers] == [True, True, False]
    assert (admission.running, admission.waiting) == (2, 1)
    for caller in callers:
        await caller.done()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_the_nearest_deadline_goes_first_and_equal_ones_in_order_of_arrival():
    admission = Admission(slots=1, queue_limit=8)
    order: list[str] = []

    async def call(name: str, deadline: float) -> None:
        async with admission.slot(deadline):
            order.append(name)

    async with asyncio.TaskGroup() as group:
        [holder] = await queued(admission, FAR)
        for name, deadline in (("late", FAR + 9), ("first", FAR), ("second", FAR), ("urgent", FAR - 9)):
            group.create_task(call(name, deadline))
        await asyncio.sleep(0)
        await holder.done()
    assert order == ["urgent", "first", "second", "late"]


async def test_a_full_queue_refuses_with_the_time_slots_take_to_free():
    admission = Admission(slots=1, queue_limit=1)
    callers = await queued(admission, FAR, FAR)
    with pytest.raises(Overloaded) as refused:
        async with admission.slot(FAR):
            pass
    assert refused.value.retry_after_s == ServiceTime().until_a_place_frees(slots=1)
    for caller in callers:
        await caller.done()


async def test_leaving_the_queue_frees_the_place():
    admission = Admission(slots=1, queue_limit=1)
    holder, waiter = await queued(admission, FAR, FAR)
    await waiter.leave()
    assert admission.waiting == 0
    [other] = await queued(admission, FAR)
    await holder.done()
    await other.done()
    assert admission.running == 0


async def test_leaving_in_the_moment_the_turn_comes_passes_it_on():
    admission = Admission(slots=1, queue_limit=2)
    holder, unlucky, next_one = await queued(admission, FAR, FAR, FAR)
    holder.task.cancel()
    await asyncio.wait([holder.task])
    unlucky.task.cancel()
    await next_one.has_slot.wait()
    await next_one.done()
    assert admission.running == 0


async def test_one_cancelled_in_line_is_passed_over():
    admission = Admission(slots=1, queue_limit=2)
    holder, gone, next_one = await queued(admission, FAR, FAR, FAR)
    gone.task.cancel()
    await holder.leave()
    await next_one.has_slot.wait()
    await next_one.done()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_deadline_that_passes_in_the_queue_ends_the_wait():
    admission = Admission(slots=1, queue_limit=1)
    async with admission.slot(FAR):
        with pytest.raises(DeadlineExceeded):
            await admission.slot(asyncio.get_running_loop().time()).__aenter__()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_draining_sends_newcomers_and_those_who_wait_away_but_lets_running_ones_finish():
    admission = Admission(slots=1, queue_limit=2)
    holder, waiter = await queued(admission, FAR, FAR)
    admission.drain()
    with pytest.raises(Draining):
        await waiter.task
    with pytest.raises(Draining):
        await admission.slot(FAR).__aenter__()
    await holder.done()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_failure_inside_frees_the_slot():
    admission = Admission(slots=1, queue_limit=0)
    with pytest.raises(ZeroDivisionError):
        async with admission.slot(FAR):
            raise ZeroDivisionError
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(admission.slot(FAR))
        assert admission.running == 1


async def test_nobody_is_ahead_where_a_slot_is_free():
    admission = Admission(slots=2, queue_limit=8)
    async with admission.slot(FAR):
        assert admission.ahead(FAR) == 0


async def test_ahead_are_those_with_nearer_deadlines_and_of_another_line_as_many_and_one():
    admission = Admission(slots=2, queue_limit=8)
    callers = await queued(admission, FAR, FAR, FAR, FAR + 9, FAR + 9)
    assert admission.waiting == 3
    assert [admission.ahead(deadline) for deadline in (FAR - 1, FAR, FAR + 9)] == [0, 1, 3]
    assert admission.ahead(FAR + 9, "single") == 1
    for caller in callers:
        await caller.leave()


def test_the_wait_follows_what_was_observed_within_bounds():
    time = ServiceTime()
    time.observe(8.0)
    assert time.until_a_place_frees(slots=4) == 2.0
    time.observe(3.0)
    assert time.until_a_place_frees(slots=4) == pytest.approx(1.75)
    time.observe(10_000)
    assert time.until_a_place_frees(slots=1) == 30.0


async def test_tenants_take_turns_whatever_their_deadlines():
    admission = Admission(slots=1, queue_limit=16)
    order: list[str] = []

    async def call(tenant: str, deadline: float) -> None:
        async with admission.slot(deadline, tenant):
            order.append(tenant)

    async with asyncio.TaskGroup() as group:
        [holder] = await queued(admission, FAR)
        for _ in range(6):
            group.create_task(call("crowd", FAR - 9))
        await asyncio.sleep(0)
        group.create_task(call("single", FAR))
        await asyncio.sleep(0)
        await holder.done()
    assert order == ["crowd", "single", *["crowd"] * 5]


async def test_a_full_queue_takes_a_tenant_in_and_sends_the_last_of_the_longest_line_away():
    admission = Admission(slots=1, queue_limit=3)
    came: list[str] = []

    async def call(name: str, deadline: float, tenant: str) -> None:
        async with admission.slot(deadline, tenant):
            came.append(name)

    [holder] = await queued(admission, FAR)
    crowd = [asyncio.create_task(call(f"crowd {number}", FAR + number, "crowd")) for number in range(3)]
    await asyncio.sleep(0)
    single = asyncio.create_task(call("single", FAR, "single"))
    with pytest.raises(Overloaded):
        await crowd[2]
    with pytest.raises(Overloaded):  # no line would be shorter for it
        await call("another", FAR, "single")
    assert admission.waiting == 3
    await holder.done()
    await asyncio.gather(single, *crowd[:2])
    assert came == ["crowd 0", "single", "crowd 1"]
    assert (admission.running, admission.waiting) == (0, 0)
