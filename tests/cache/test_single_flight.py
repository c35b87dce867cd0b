"""Calls that are shared by all who want the same at the same time."""

import asyncio

import pytest

from weft_cache.single_flight import SingleFlight
from weft_kit.rpc.errors import DeadlineExceeded


class Call:
    """Counts how often it is made, and comes to an end when told."""

    def __init__(self) -> None:
        self.made = self.cancelled = 0
        self.result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.made += 1
        try:
            return await asyncio.shield(self.result)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def begun(flights: SingleFlight, key: str, call: Call, callers: int) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(flights.share(key, call)) for _ in range(callers)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_callers_at_the_same_time_share_one_call_and_a_later_one_makes_its_own():
    flights, call = SingleFlight(), Call()
    callers = await begun(flights, "a", call, 3)
    call.result.set_result("said")
    assert await asyncio.gather(*callers) == ["said"] * 3
    assert call.made == 1
    assert await flights.share("a", call) == "said"
    assert call.made == 2


async def test_other_keys_are_other_calls():
    flights, call = SingleFlight(), Call()
    callers = [*await begun(flights, "a", call, 1), *await begun(flights, "b", call, 1)]
    assert call.made == 2
    call.result.set_result("said")
    await asyncio.gather(*callers)


async def test_a_caller_that_leaves_takes_nothing_from_the_others():
    flights, call = SingleFlight(), Call()
    first, second = await begun(flights, "a", call, 2)
    first.cancel()
    await asyncio.wait([first])
    call.result.set_result("said")
    assert await second == "said"
    assert call.cancelled == 0


async def test_a_call_that_nobody_waits_for_is_cancelled_and_joined_by_nobody():
    flights, call = SingleFlight(), Call()
    [only] = await begun(flights, "a", call, 1)
    only.cancel()
    await asyncio.wait([only])
    [next_one] = await begun(flights, "a", call, 1)
    assert (call.made, call.cancelled) == (2, 1)
    call.result.set_result("said")
    assert await next_one == "said"


async def test_a_failure_reaches_all():
    flights, call = SingleFlight(), Call()
    callers = await begun(flights, "a", call, 2)
    call.result.set_exception(ZeroDivisionError())
    for caller in callers:
        with pytest.raises(ZeroDivisionError):
            await caller


async def test_one_whose_time_is_over_takes_nothing_from_those_with_more():
    flights, hurried, patient = SingleFlight(), Call(), Call()
    patient.result.set_result("said")
    [first] = await begun(flights, "a", hurried, 1)
    others = await begun(flights, "a", patient, 3)
    hurried.result.set_exception(DeadlineExceeded("its time is over"))
    with pytest.raises(DeadlineExceeded):
        await first
    assert await asyncio.gather(*others) == ["said"] * 3
    assert (hurried.made, patient.made) == (1, 1)
