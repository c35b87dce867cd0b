"""How long a provider is waited for, and which limit is named when it was too long."""

import asyncio

import pytest
from google.protobuf import duration_pb2

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.catalog.routing import Throughput, Timeouts
from weft_router.providers.provider import ProviderError
from weft_router.routing.timeouts import patience, timeouts

NEVER = 60.0


async def waited(
    limits: Timeouts, *pauses_s: float, floor: Throughput | None = None, of_alias: Timeouts | None = None
) -> ProviderError:
    """Lets tokens come after the pauses, then none; returns what patience says."""
    with pytest.raises(ProviderError) as failure:
        async with asyncio.timeout(20), patience(limits, of_alias or limits, floor) as tokens_came:
            for pause_s in pauses_s:
                await asyncio.sleep(pause_s)
                tokens_came(1)
            await asyncio.Event().wait()
    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_TIMEOUT
    return failure.value


async def test_a_first_token_that_does_not_come() -> None:
    error = await waited(Timeouts(first_token_s=0.02, between_tokens_s=NEVER, total_s=NEVER))
    assert "timeouts.first_token_s (0.02 s)" in error.message


async def test_a_next_token_that_does_not_come() -> None:
    error = await waited(Timeouts(first_token_s=NEVER, between_tokens_s=0.05, total_s=NEVER), 0, 0.02, 0.02)
    assert "timeouts.between_tokens_s (0.05 s)" in error.message


async def test_tokens_that_come_for_ever() -> None:
    error = await waited(Timeouts(first_token_s=NEVER, between_tokens_s=NEVER, total_s=0.05), 0.01, 0.01)
    assert "timeouts.total_s (0.05 s)" in error.message


@pytest.mark.parametrize(("of_alias_s", "says_nothing"), [(0.01, False), (0.02, False), (NEVER, True)])
async def test_only_the_operators_limits_judge_a_provider(of_alias_s: float, *, says_nothing: bool) -> None:
    limits = Timeouts(first_token_s=0.02, between_tokens_s=NEVER, total_s=NEVER)
    error = await waited(limits, of_alias=Timeouts(first_token_s=of_alias_s))
    assert error.is_requests_fault is says_nothing


async def test_another_timeout_is_left_alone() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), patience(Timeouts(), Timeouts()):
            await asyncio.Event().wait()


async def test_tokens_that_only_trickle() -> None:
    limits = Timeouts(first_token_s=NEVER, between_tokens_s=NEVER, total_s=NEVER)
    error = await waited(limits, *[0.01] * 20, floor=Throughput(tokens_per_s=1000, over_s=0.05))
    assert "throughput.tokens_per_s (1000)" in error.message


def test_a_request_may_set_limits_of_its_own() -> None:
    wanted = job_pb2.Routing(first_token_timeout=duration_pb2.Duration(seconds=2))

    assert timeouts(Timeouts(total_s=7), wanted) == Timeouts(first_token_s=2, total_s=7)
