"""Providers that are out: jobs wait for them, in nobody's way, and only attempts at a provider that is well count."""

import asyncio

import pytest
from google.protobuf import duration_pb2
from prometheus_client import REGISTRY
from tests.router.harness import NEVER_OPENS, OPENS_AT_ONCE, Harness, asking
from tests.router.services import Library

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_compose.ports import free_ports
from weft_mock import Fault, MockProvider, Script
from weft_router.fleet.outage import Returns

SOON_S = 2.0
"""Far less than a job would still rest."""
PROBES_OFTEN = "[breaker]\nminimum_calls = 2\nopen_s = 0.05\nlongest_open_s = 0.05\n"
OUT = Script(status=503)
EXACT = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)
FAILS = job_pb2.RetryPolicy(on_outage=job_pb2.ON_OUTAGE_FAIL)


def rests() -> float:
    """How often a job was given back to wait for a provider, in this run."""
    return REGISTRY.get_sample_value("weft_router_jobs_left_total", {"why": "provider"}) or 0.0


async def rested(harness: Harness, times: int, before: float) -> None:
    await harness.until(lambda: rests() >= before + times)


def reasons(done: event_pb2.Done) -> set[str]:
    failed = [attempt.error.reason for attempt in done.attempts if attempt.HasField("error")]
    return {error_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_") for reason in failed}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (OUT, "PROVIDER_OVERLOADED"),
        (Script(status=429), "PROVIDER_OVERLOADED"),
        (Script(status=429, retry_after="0.01"), "PROVIDER_OVERLOADED"),
        (Script(status=500), "PROVIDER_ERROR"),
        (Script(status=502), "PROVIDER_ERROR"),
        (Script(fault=Fault.HANG_BEFORE_HEADERS), "PROVIDER_TIMEOUT"),
        (Script(fault=Fault.RESET), "PROVIDER_STREAM_BROKEN"),
    ],
    ids=["503", "429", "429 with Retry-After", "500", "502", "hang", "reset"],
)
async def test_a_job_outlives_an_outage_of_any_shape(
    harness: Harness, mock: MockProvider, script: Script, reason: str
) -> None:
    mock.play(*[script] * 9, Script(text="At last."))
    if reason == "PROVIDER_TIMEOUT":  # no others are to run into it, who are counted by the mock once they arrive
        harness.catalog(harness.read_catalog().replace("first_token_s = 5", "first_token_s = 0.5"))
    harness.with_settings(PROBES_OFTEN)
    async with harness.routing(longest_wait_s=0.05):
        done = await harness.done(await harness.submit())

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "At last.")
    assert reason in reasons(done)
    assert len(done.attempts) == mock.stats.requests >= 10  # on record stands who was asked, and nobody else


async def test_a_job_outlives_an_outage_in_which_connections_are_refused(harness: Harness, mock: MockProvider) -> None:
    (port,) = free_ports(1)
    harness.catalog(
        f'[providers.mock]\nkind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\nkeep_warm_s = 0\n'
        f'[models.default]\nroutes = [{{ provider = "mock", model = "m" }}]\n{PROBES_OFTEN}'
    )
    before = rests()
    async with harness.routing(longest_wait_s=0.05):
        job_id = await harness.submit()
        await rested(harness, 12, before)
        async with mock.running(port=port):
            done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert reasons(done) == {"PROVIDER_UNREACHABLE"}
    assert all(attempt.provider_out for attempt in done.attempts[2:-1])
    assert mock.stats.requests == 1


async def test_a_provider_that_turns_jobs_away_is_waited_for_where_no_breaker_opens(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(*[OUT] * 9, Script(text="At last."))
    harness.with_settings(NEVER_OPENS)
    before = rests()
    async with harness.routing(longest_wait_s=0.05):
        done = await harness.done(await harness.submit())

    assert (done.state, len(done.attempts)) == (job_pb2.JOB_STATE_SUCCEEDED, 10)
    assert rests() - before == 5  # the first tries are made from its slot


async def test_all_jobs_that_wait_outlive_an_outage_at_next_to_no_cost(harness: Harness, mock: MockProvider) -> None:
    mock.play(OUT)
    harness.with_settings(PROBES_OFTEN.replace("0.05", "0.5"))
    before = rests()
    async with harness.routing(slots=16, longest_wait_s=0.05):
        low = asking(priority=job_pb2.PRIORITY_LOW)
        ids = [await harness.submit(low, lives_s=600) for _ in range(100)]
        await rested(harness, 300, before)
        asked = mock.stats.requests
        mock.play(Script(text="At last."))
        endings = [await harness.events(job_id) for job_id in ids]

    dones = [events[-1].done for events in endings]
    assert {done.state for done in dones} == {job_pb2.JOB_STATE_SUCCEEDED}
    assert asked < 50  # 16 at once before the breaker opened, and its probes
    assert mock.stats.requests == asked + 100
    # Who was never asked about has nothing in the log but its beginning and its end.
    assert sum(len(events) == len(endings[-1]) for events in endings) >= 50


async def test_jobs_of_other_models_pass_those_that_wait(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(OUT)
    pair.with_settings(
        '[models.default]\nroutes = [{ provider = "mock", model = "m" }]\n'
        f'[models.well]\nroutes = [{{ provider = "second", model = "m" }}]\n{OPENS_AT_ONCE}'
    )
    async with pair.routing(slots=1):
        waiting = [await pair.submit() for _ in range(5)]
        passing = [await pair.done(await pair.submit(asking(model="well"))) for _ in range(5)]
        left = [await pair.log.last(job_id) for job_id in waiting]

    assert {done.state for done in passing} == {job_pb2.JOB_STATE_SUCCEEDED}
    assert not any(event is not None and event.HasField("done") for event in left)
    assert mock.stats.requests == 1


async def test_no_sources_are_looked_for_while_nobody_would_read_them(harness: Harness, mock: MockProvider) -> None:
    mock.play(OUT)
    harness.with_settings(OPENS_AT_ONCE)
    library, before = Library(), rests()
    grounded = asking(retrieval=job_pb2.RetrievalOptions(collection="guide"))
    async with library.running() as target, harness.routing(retrieval_target=target):
        await harness.submit()
        await rested(harness, 1, before)
        await harness.submit(grounded)
        await rested(harness, 2, before)

    assert not library.asked.is_set()


@pytest.mark.parametrize("was_asked", [True, False], ids=["after an attempt", "before any"])
async def test_a_job_that_waits_is_cancelled_at_once(harness: Harness, mock: MockProvider, *, was_asked: bool) -> None:
    mock.play(OUT)
    harness.with_settings(OPENS_AT_ONCE)
    before = rests()
    async with harness.routing():
        ids = [await harness.submit(lives_s=3600)]
        await rested(harness, 1, before)
        ids.append(await harness.submit(lives_s=3600))
        await rested(harness, 2, before)
        job_id = ids[0 if was_asked else 1]
        await harness.log.request_cancel(job_id, "enough")
        async with asyncio.timeout(SOON_S):
            done = await harness.done(job_id)

    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert len(done.attempts) == was_asked
    assert mock.stats.requests == 1


async def test_a_job_that_waits_expires_in_time_and_says_what_it_waited_for(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(OUT)
    harness.with_settings(OPENS_AT_ONCE)
    async with harness.routing():
        events = await harness.events(await harness.submit(lives_s=3))

    accepted, done = events[0].accepted, events[-1]
    assert done.done.state == job_pb2.JOB_STATE_EXPIRED
    assert (done.time.ToNanoseconds() - accepted.expire_time.ToNanoseconds()) / 1e9 < SOON_S
    said = done.done.error.message
    assert "while it waited: every provider of 'default' keeps failing, last with PROVIDER_OVERLOADED" in said
    assert mock.stats.requests == 1


async def test_another_router_goes_on_with_jobs_that_wait(harness: Harness, mock: MockProvider) -> None:
    mock.play(OUT)
    harness.with_settings(PROBES_OFTEN)
    before = rests()
    async with harness.routing():
        ids = [await harness.submit() for _ in range(5)]
        await rested(harness, 10, before)
    mock.play(Script(text="At last."))
    async with harness.routing():
        dones = [await harness.done(job_id) for job_id in ids]

    assert {done.answer.text for done in dones} == {"At last."}


async def test_who_waited_out_an_outage_pays_nothing_of_the_retry_budget(harness: Harness, mock: MockProvider) -> None:
    mock.play(OUT)
    harness.with_settings(f"retries = {{ share = 0.0, floor = 0 }}\n{OPENS_AT_ONCE.replace('60.0', '0.05')}")
    before = rests()
    async with harness.routing():
        ids = [await harness.submit() for _ in range(20)]
        await rested(harness, 40, before)
        mock.play(Script(text="At last."))
        dones = [await harness.done(job_id) for job_id in ids]

    assert {done.state for done in dones} == {job_pb2.JOB_STATE_SUCCEEDED}


async def test_identical_requests_wait_together(harness: Harness, mock: MockProvider) -> None:
    mock.play(*[Script(first_token_s=0.05, status=503)] * 5, Script(first_token_s=0.05, text="At last."))
    harness.with_settings(PROBES_OFTEN)
    async with harness.routing(longest_wait_s=0.05):
        ids = [await harness.submit(asking(cache=EXACT)) for _ in range(5)]
        dones = [await harness.done(job_id) for job_id in ids]

    assert {done.answer.text for done in dones} == {"At last."}


async def test_a_job_that_is_not_to_wait_fails_at_once(harness: Harness, mock: MockProvider) -> None:
    mock.play(OUT)
    harness.with_settings(OPENS_AT_ONCE)
    async with harness.routing():
        dones = [await harness.done(await harness.submit(asking(retry_policy=FAILS))) for _ in range(2)]

    assert [done.error.reason for done in dones] == [error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE] * 2
    assert all(done.error.retryable for done in dones)
    assert [len(done.attempts) for done in dones] == [1, 0]


async def test_every_failure_counts_of_a_job_that_is_not_to_wait(harness: Harness, mock: MockProvider) -> None:
    mock.play(OUT)
    harness.with_settings(NEVER_OPENS)
    policy = job_pb2.RetryPolicy(max_attempts=3, on_outage=job_pb2.ON_OUTAGE_FAIL)
    async with harness.routing():
        done = await harness.done(await harness.submit(asking(retry_policy=policy)))

    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert len(done.attempts) == mock.stats.requests == 3


async def test_a_request_bounds_its_attempts_and_the_waits_between_them(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    harness.with_settings(NEVER_OPENS)
    policy = job_pb2.RetryPolicy(max_attempts=4, max_backoff=duration_pb2.Duration(nanos=1_000_000))
    async with harness.routing(first_wait_s=600, longest_wait_s=600):
        async with asyncio.timeout(20):
            done = await harness.done(await harness.submit(asking(retry_policy=policy), lives_s=3600))

    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert len(done.attempts) == mock.stats.requests == 4


async def test_nobody_waits_for_a_provider_that_does_not_take_our_key(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=401))
    harness.with_settings(OPENS_AT_ONCE)
    async with harness.routing():
        dones = [await harness.done(await harness.submit()) for _ in range(2)]

    assert {done.state for done in dones} == {job_pb2.JOB_STATE_FAILED}
    assert "401" in dones[0].error.message
    assert "`weft providers check` tells the operator what does" in dones[1].error.message
    assert mock.stats.requests == 1


def test_those_that_wait_come_back_one_after_another() -> None:
    returns = Returns()
    waits = [returns.after_s("default", 1.0, 600, now=0) for _ in range(401)]
    assert waits[0] == 1.0
    assert waits[-1] == pytest.approx(3.0)
    assert returns.after_s("other", 1.0, 600, now=0) == 1.0
    assert returns.after_s("default", 1.0, 600, now=100) == 1.0


def test_kinds_of_whom_nothing_waits_are_forgotten() -> None:
    returns = Returns()
    for number in range(30_000):
        returns.after_s(number, 1.0, 600, now=number)
    assert len(returns._next) <= 10_000
    busy = [returns.after_s("busy", 1.0, 600, now=30_000) for _ in range(3)]
    assert busy == pytest.approx([1.0, 1.005, 1.01])


def test_whoever_has_little_time_looks_again_within_half_of_it_and_stays_at_the_end() -> None:
    returns = Returns()
    assert returns.after_s("default", 60.0, 10, now=0) == 5.0
    assert returns.after_s("default", 60.0, 0.9, now=0) is None
