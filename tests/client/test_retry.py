"""How long calls are repeated, how long in between, and which are not."""

import pytest

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_client import WeftClient
from weft_client.requests import chat
from weft_client.retry import Patience
from weft_kit.rpc.errors import (
    DependencyDown,
    Draining,
    Exhausted,
    Internal,
    Invalid,
    Overloaded,
    WeftError,
)

AWAY = DependencyDown("gateway", "gateway does not answer; retry", retry_after_s=1.0)


def waits(failure, count, limit_s=1e9):
    patience = Patience(limit_s)
    return [patience.wait_s(failure, now=0.0) for _ in range(count)]


def test_waits_are_any_part_of_a_ceiling_that_doubles_up_to_two_seconds():
    many = [waits(AWAY, 6) for _ in range(500)]
    longest = [max(column) for column in zip(*many, strict=True)]
    assert longest == pytest.approx([0.2, 0.4, 0.8, 1.6, 2.0, 2.0], rel=0.1)
    assert all(min(column) < 0.1 for column in zip(*many, strict=True))


def test_what_the_server_asks_for_is_waited_at_least():
    for wait_s in waits(Overloaded("busy; wait", retry_after_s=3.0), 10):
        assert 3.0 <= wait_s <= 5.0


@pytest.mark.parametrize(
    "failure",
    [
        Invalid(error_pb2.ERROR_REASON_UNKNOWN_MODEL, "no such model"),
        Exhausted(error_pb2.ERROR_REASON_RATE_LIMITED, "too fast", retry_after_s=0.1),
        Internal("1"),
    ],
)
def test_nothing_but_unavailable_is_borne_with(failure):
    assert waits(failure, 1) == [None]


def test_patience_ends_and_counts_the_wait_itself():
    patience = Patience(5.0)
    assert patience.wait_s(AWAY, now=100.0) is not None
    assert patience.wait_s(Overloaded("busy", retry_after_s=4.0), now=102.0) is None
    assert patience.wait_s(AWAY, now=105.1) is None


def test_an_answer_begins_it_anew():
    patience = Patience(5.0)
    patience.wait_s(AWAY, now=100.0)
    patience.heard()
    assert patience.wait_s(AWAY, now=200.0) <= 0.2


async def test_a_call_is_repeated_until_a_gateway_answers(playing):
    async with playing() as (weft, gateway):
        gateway.jobs["j"] = job_pb2.Job(job_id="j")
        gateway.failures = [Draining(retry_after_s=0.01), Overloaded("busy; wait", retry_after_s=0.01)]
        assert (await weft.job("j")).job_id == "j"
    assert len(gateway.polls) == 3


async def test_a_submit_is_repeated_under_one_request_id(playing):
    async with playing() as (weft, gateway):
        gateway.failures = [Draining(retry_after_s=0.01)]
        job = await weft.submit(chat("hi"))
    first, second = gateway.asked
    assert first == second
    assert job.request_id == first.request_id != ""


async def test_a_refusal_is_raised_at_once(playing):
    async with playing() as (weft, gateway):
        gateway.failures = [Exhausted(error_pb2.ERROR_REASON_QUOTA_EXCEEDED, "spent; wait", retry_after_s=0.01)]
        with pytest.raises(WeftError, match="spent"):
            await weft.submit(chat("hi"))
    assert len(gateway.asked) == 1


async def test_what_stays_unavailable_is_raised_in_the_end(playing):
    async with playing(patience_s=0.05) as (weft, gateway):
        gateway.failures = [Draining(retry_after_s=0.02)] * 10
        with pytest.raises(WeftError, match="shutting down"):
            await weft.jobs()
    assert len(gateway.lists) < 10


async def test_a_rotation_is_never_repeated(posting):
    async with posting() as (weft, webhooks):
        webhooks.failures = [Draining(retry_after_s=0.01)]
        with pytest.raises(WeftError, match="shutting down"):
            await weft.webhooks.rotate()
    assert len(webhooks.asked) == 1


async def test_first_contact_fails_soon_where_nobody_is():
    async with WeftClient("127.0.0.1:1", "key") as weft:
        with pytest.raises(DependencyDown, match="no gateway answers"):
            await weft.reach(0.05)
