"""A store that one can do without is waited for shortly, left alone where it fails, and asked again after a rest."""

import asyncio

import pytest
from structlog.testing import capture_logs

from weft_kit.outages import Outage
from weft_kit.stores.optional import OptionalStore, StoreAway


async def fail(store: OptionalStore, error: Exception) -> None:
    async with store.exchange():
        raise error


async def test_a_store_that_failed_three_times_in_a_row_is_left_alone_for_a_rest() -> None:
    store = OptionalStore(limit_s=5.0, rest_s=0.2)
    for _ in range(3):
        assert store.allows()
        with pytest.raises(StoreAway):
            await fail(store, OSError("reset"))
    assert not store.allows()
    await asyncio.sleep(0.3)
    assert store.allows()
    assert not store.allows()  # one at a time may try
    async with store.exchange():
        pass
    assert store.allows()
    assert store.allows()


@pytest.mark.parametrize(("limit_s", "given_s"), [(0.05, None), (60.0, 0.05)])
async def test_an_exchange_is_waited_for_as_long_as_its_limit(limit_s: float, given_s: float | None) -> None:
    store = OptionalStore(limit_s=limit_s, rest_s=1.0)
    with pytest.raises(StoreAway):
        async with asyncio.timeout(20), store.exchange(given_s):
            await asyncio.Event().wait()


async def test_an_error_that_is_no_failure_passes_and_says_nothing_of_the_store() -> None:
    store = OptionalStore(limit_s=5.0, rest_s=60.0, failures=(OSError,))
    for _ in range(4):
        with pytest.raises(KeyError):
            await fail(store, KeyError("ours"))
    assert store.allows()


async def test_a_caller_who_leaves_says_nothing_of_the_store() -> None:
    store = OptionalStore(limit_s=5.0, rest_s=60.0)
    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), store.exchange():
                await asyncio.Event().wait()
    assert store.allows()


async def test_it_is_told_when_the_store_goes_and_when_it_is_back() -> None:
    with capture_logs() as lines:
        store = OptionalStore(limit_s=5.0, rest_s=1.0, outage=Outage("away", "back"))
        for _ in range(2):
            with pytest.raises(StoreAway):
                await fail(store, ValueError("odd"))
        async with store.exchange():
            pass
    assert [line["event"] for line in lines] == ["away", "back"]
