"""Identical requests in one router: one call, as many jobs, and each may leave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf import duration_pb2
from tests.router.harness import Harness, asking
from tests.router.services import Library
from tests.router.single_flight.identical_requests import (
    ENDLESS,
    EXACT,
    SLOW,
    SOON_S,
    alike,
    board,
    boarded,
    joined,
    spent,
)
from tests.support.transcript import text_of

from weft.common.v1 import budget_pb2, chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_kit.joblog import text_hash
from weft_mock import Fault, MockProvider, Script


@pytest.fixture
async def routed(harness: Harness) -> AsyncIterator[Harness]:
    async with harness.routing():
        yield harness


async def test_ten_identical_requests_are_one_call(routed: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    jobs = [await routed.submit(alike(labels={"number": str(number)})) for number in range(10)]
    endings = [await routed.events(job_id) for job_id in jobs]

    assert mock.stats.requests == 1
    texts = {text_of(events) for events in endings}
    assert len(texts) == 1
    dones = [events[-1].done for events in endings]
    assert {done.answer.text for done in dones} == texts
    assert {done.text_hash for done in dones} == {text_hash(*texts)}
    assert {done.state for done in dones} == {job_pb2.JOB_STATE_SUCCEEDED}
    [leader] = [job_id for job_id, done in zip(jobs, dones, strict=True) if joined(done) == [""]]
    assert sorted(joined(done) for done in dones) == [[""], *[[leader]] * 9]


async def test_a_joined_job_says_so_and_spends_nothing(routed: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    leader = await board(routed)
    events = await routed.events(await routed.submit(alike()))
    first, done = await routed.done(leader), events[-1].done

    [started] = [event.started for event in events if event.HasField("started")]
    assert (started.provider, started.joined_job_id) == ("mock", leader)
    [attempt] = done.attempts
    assert (attempt.joined_job_id, attempt.chosen_because) == (leader, f"joined {leader}")
    assert attempt.result == job_pb2.Attempt.RESULT_SUCCEEDED
    assert not attempt.HasField("usage")
    assert not done.HasField("total_usage")
    assert done.answer == first.answer
    assert first.total_usage.completion_tokens == 25
    assert first.attempts[0].HasField("usage")


async def test_who_comes_late_gets_what_was_said_at_once(routed: Harness, mock: MockProvider) -> None:
    mock.play(ENDLESS)
    leader = await routed.submit(alike())
    await routed.until(lambda: mock.stats.requests == 1)
    await asyncio.sleep(0.2)
    said = text_of(await routed.log.events(leader))
    late = await routed.submit(alike())
    heard = await routed.first(late, "delta")

    assert heard.delta.text.startswith(said) or said.startswith(heard.delta.text)
    assert len(heard.delta.text.split()) > 5
    assert mock.stats.requests == 1


@pytest.mark.parametrize(
    "other",
    [
        {"cache": job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_OFF)},
        {"cache": job_pb2.CachePolicy(mode=EXACT.mode, max_age=duration_pb2.Duration())},
        {"model": "other"},
        {"sampling": chat_pb2.SamplingParams(seed=7)},
        {"messages": asking("What is the capital of Spain?").messages},
        {"routing": job_pb2.Routing(first_token_timeout=duration_pb2.Duration(seconds=4))},
        {"model": "alone"},
        {"model": "uncached"},
    ],
    ids=["cache off", "only its own", "model", "sampling", "question", "routing", "switched off", "alias off"],
)
async def test_a_request_that_differs_makes_its_own_call(
    harness: Harness, mock: MockProvider, other: dict[str, Any]
) -> None:
    routes = 'routes = [{ provider = "mock", model = "mock" }]'
    harness.with_settings(
        f"[models.other]\n{routes}\n[models.alone]\n{routes}\nsingle_flight = false\n"
        f'[models.uncached]\n{routes}\ncache = "off"'
    )
    mock.play(SLOW)
    async with harness.routing():
        jobs = [await harness.submit(alike(**fields)) for fields in ({}, other, other)]
        dones = [await harness.done(job_id) for job_id in jobs]

    apart = other.get("model") in {"alone", "uncached"}
    joins = other.keys() <= {"model", "sampling", "messages", "routing"} and not apart
    assert mock.stats.requests == (2 if joins else 3)
    assert not any(joined(dones[0]))


async def test_tenants_never_share_a_call(routed: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    jobs = [await routed.submit(alike(), tenant=tenant) for tenant in ("acme", "rival")]
    dones = [await routed.done(job_id) for job_id in jobs]

    assert mock.stats.requests == 2
    assert [joined(done) for done in dones] == [[""], [""]]


async def test_another_version_of_the_collection_makes_its_own_call(harness: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    grounded = alike(retrieval=job_pb2.RetrievalOptions(collection="guide"))
    library = Library()
    async with library.running() as target, harness.routing(retrieval_target=target):
        first = await harness.submit(grounded)
        await boarded(harness, first)
        same = await harness.submit(grounded)
        await boarded(harness, same)
        library.version += 1
        newer = await harness.submit(grounded)
        dones = [await harness.done(job_id) for job_id in (first, same, newer)]

    assert [joined(done) for done in dones] == [[""], [first], [""]]
    assert mock.stats.requests == 2


async def test_cancelling_the_leader_leaves_the_others_their_call(routed: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    leader, *others = jobs = [await routed.submit(alike()) for _ in range(3)]
    await boarded(routed, *jobs)
    asked_at = asyncio.get_running_loop().time()
    await routed.log.request_cancel(leader, "changed my mind")
    cancelled = await routed.done(leader)
    late_s = asyncio.get_running_loop().time() - asked_at
    dones = [await routed.done(job_id) for job_id in others]

    assert late_s < SOON_S
    assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
    assert [attempt.result for attempt in cancelled.attempts] == [job_pb2.Attempt.RESULT_STOPPED]
    assert {done.state for done in dones} == {job_pb2.JOB_STATE_SUCCEEDED}
    assert [len(done.answer.text.split()) for done in dones] == [25, 25]
    assert (mock.stats.requests, mock.stats.aborted) == (1, 0)
    assert spent([cancelled, *dones]) == [0, 0, 25]


async def test_the_last_who_leaves_stops_the_call_within_250_ms(routed: Harness, mock: MockProvider) -> None:
    mock.play(ENDLESS)
    first, second, last = jobs = [await routed.submit(alike()) for _ in range(3)]
    await boarded(routed, *jobs)
    for job_id in (second, first):
        await routed.log.request_cancel(job_id, "")
        await routed.done(job_id)
    assert mock.stats.aborted == 0
    asked_at = asyncio.get_running_loop().time()
    await routed.log.request_cancel(last, "")
    abort = await asyncio.wait_for(mock.next_abort(), 20)
    dones = [await routed.done(job_id) for job_id in jobs]

    assert abort.at - asked_at < SOON_S
    assert mock.stats.requests == 1
    assert {done.state for done in dones} == {job_pb2.JOB_STATE_CANCELLED}
    assert [count > 0 for count in spent(dones)] == [False, False, True]


async def test_a_job_that_expires_leaves_the_others_their_call(routed: Harness, mock: MockProvider) -> None:
    mock.play(SLOW)
    short, long = await routed.submit(alike(), lives_s=0.3), await routed.submit(alike())
    dones = [await routed.done(job_id) for job_id in (short, long)]

    assert [done.state for done in dones] == [job_pb2.JOB_STATE_EXPIRED, job_pb2.JOB_STATE_SUCCEEDED]
    assert (mock.stats.requests, mock.stats.aborted) == (1, 0)


async def test_listeners_hear_another_attempt_begin_anew(routed: Harness, mock: MockProvider) -> None:
    mock.play(Script(tokens=20, tokens_per_second=50, fault=Fault.CLOSE, at_token=10), SLOW)
    jobs = [await routed.submit(alike()) for _ in range(3)]
    endings = [await routed.events(job_id) for job_id in jobs]

    assert mock.stats.requests == 2
    for events in endings:
        assert any(event.HasField("rewound") for event in events)
        assert text_of(events) == events[-1].done.answer.text
        results = [attempt.result for attempt in events[-1].done.attempts]
        assert results == [job_pb2.Attempt.RESULT_FAILED, job_pb2.Attempt.RESULT_SUCCEEDED]
    assert len({text_of(events) for events in endings}) == 1


async def test_a_request_that_no_provider_takes_is_refused_once_for_all(routed: Harness, mock: MockProvider) -> None:
    mock.play(Script(first_token_s=0.2, status=400))
    jobs = [await routed.submit(alike()) for _ in range(5)]
    dones = [await routed.done(job_id) for job_id in jobs]

    assert {done.error.reason for done in dones} == {error_pb2.ERROR_REASON_PROVIDER_REJECTED}
    assert mock.stats.requests == 1


async def test_who_heard_every_attempt_fail_fails_too(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(fault=Fault.CLOSE, at_token=3, tokens_per_second=20))
    async with harness.routing(max_attempts=2):
        jobs = [await harness.submit(alike()) for _ in range(5)]
        dones = [await harness.done(job_id) for job_id in jobs]

    assert {done.error.reason for done in dones} == {error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED}
    assert [len(done.attempts) for done in dones] == [2] * 5
    assert mock.stats.requests == 2


@pytest.mark.parametrize("is_the_same", [True, False])
async def test_a_job_that_was_lost_joins_without_saying_twice_what_its_readers_have(
    harness: Harness, mock: MockProvider, *, is_the_same: bool
) -> None:
    lost = await harness.submit(alike())
    await harness.begun_and_lost(lost, "One two " if is_the_same else "Another ", gives_back=False)
    mock.play(Script(text="One two three four five six seven eight nine ten", tokens_per_second=20))
    async with harness.routing():
        other = await board(harness)
        await harness.hand_out_again(lost)
        events = await harness.events(lost)
        done = await harness.done(other)

    assert text_of(events) == events[-1].done.answer.text == done.answer.text
    assert any(event.HasField("rewound") for event in events) is not is_the_same
    assert joined(events[-1].done) == ["", other]
    assert mock.stats.requests == 1


async def test_a_spent_budget_of_the_leaders_key_stops_no_other_key(
    harness: Harness, mock: MockProvider, redis_url: str
) -> None:
    mock.play(Script(fault=Fault.CLOSE, at_token=5, tokens_per_second=10), SLOW)
    tenant, brief = f"tenant-{uuid4().hex}", alike(sampling=chat_pb2.SamplingParams(max_tokens=20))
    for_one_call = budget_pb2.Budget(tokens_per_minute=40)
    async with harness.routing(redis_url=redis_url):
        poor = await harness.submit(brief, tenant=tenant, key_id="poor", key_budget=for_one_call)
        await boarded(harness, poor)
        rich = await harness.submit(brief, tenant=tenant, key_id="rich")
        dones = [await harness.done(job_id) for job_id in (poor, rich)]

    assert [done.state for done in dones] == [job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_SUCCEEDED]
    assert dones[0].error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
    assert joined(dones[1]) == [poor, ""]
    assert mock.stats.requests == 2


async def test_listeners_in_every_slot_do_not_keep_their_call_from_going_on(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(fault=Fault.CLOSE, at_token=3, tokens_per_second=20), Script(tokens=100, tokens_per_second=50))
    async with harness.routing(slots=2):
        leader, listener = jobs = [await harness.submit(alike()) for _ in range(2)]
        await boarded(harness, *jobs)
        await harness.log.request_cancel(leader, "")
        await harness.done(leader)
        waiting = await harness.submit(alike())
        dones = [await harness.done(job_id) for job_id in (listener, waiting)]

    assert {done.state for done in dones} == {job_pb2.JOB_STATE_SUCCEEDED}
    assert mock.stats.requests == 2
