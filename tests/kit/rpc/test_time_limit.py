"""A block that takes too long ends with its limit's error, and with no other's."""

import asyncio

import pytest

from weft_kit.rpc.errors import DependencyDown
from weft_kit.time_limits import time_limit

LATE = DependencyDown("nats", "the log does not answer; retry")


async def test_a_block_that_takes_too_long_ends_with_the_limits_error():
    with pytest.raises(DependencyDown) as told:
        async with time_limit(0.0, lambda: LATE):
            await asyncio.Event().wait()
    assert told.value is LATE


async def test_a_timeout_of_the_block_itself_is_not_the_limits():
    with pytest.raises(TimeoutError):
        async with time_limit(60.0, lambda: LATE):
            raise TimeoutError


async def test_a_block_that_is_in_time_ends_as_it_would():
    async with time_limit(60.0, lambda: LATE):
        pass
