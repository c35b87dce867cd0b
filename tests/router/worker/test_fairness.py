"""Who is served when many wait: tenants by weight, of each urgent jobs first, and nobody behind another's queue."""

import asyncio
from collections import Counter

import pytest
from tests.router.harness import Harness, asking

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import belongs_to
from weft_mock import MockProvider, Script

SLOTS = 4


async def test_one_job_waits_behind_ten_thousand_of_another_tenant_for_no_longer_than_a_job_takes(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.1))
    await submit_many(harness, "crowd", 10_000)
    async with harness.watching("started") as starts, harness.routing(slots=SLOTS):
        await harness.until(lambda: len(starts) > 2 * SLOTS)
        single = await harness.submit(tenant="single")
        events = await harness.events(single)

    accepted, begun = events[0].sequence, events[1].sequence
    ahead = [start for start in starts if accepted < start.sequence < begun]
    assert len(ahead) <= SLOTS  # each slot may have begun one of the crowd's jobs, and no second one
    assert events[-1].done.state == job_pb2.JOB_STATE_SUCCEEDED


async def submit_many(
    harness: Harness, tenant: str, count: int, priority: job_pb2.Priority.ValueType = job_pb2.PRIORITY_NORMAL
) -> None:
    """Submits jobs that outlive the test, 256 at a time."""
    numbers = iter(range(count))

    async def submit_some() -> None:
        for _ in numbers:
            await harness.submit(asking(priority=priority), tenant=tenant, lives_s=600)

    await asyncio.gather(*(submit_some() for _ in range(256)))


@pytest.mark.parametrize(
    ("slots", "more"),
    [(SLOTS, ""), (256, f"max_concurrency = {SLOTS}\n")],
    ids=["slots are few", "the provider has little room"],
)
async def test_a_tenants_urgent_jobs_do_not_hold_up_another_tenants(
    harness: Harness, mock: MockProvider, slots: int, more: str
) -> None:
    harness.catalog(harness.read_catalog().replace("[providers.mock]\n", f"[providers.mock]\n{more}"))
    mock.play(Script(first_token_s=0.1))
    await submit_many(harness, "crowd", 160, job_pb2.PRIORITY_HIGH)
    async with harness.watching("started") as starts, harness.routing(slots=slots):
        await harness.until(lambda: len(starts) > 2 * SLOTS)
        single = await harness.submit(tenant="single")
        events = await harness.events(single)

    accepted, begun = events[0].sequence, events[1].sequence
    assert len([start for start in starts if accepted < start.sequence < begun]) <= 2 * SLOTS


async def test_an_expedited_tenants_urgent_jobs_go_before_another_tenants(harness: Harness, mock: MockProvider) -> None:
    harness.with_settings("[tenants.vip]\nexpedited = true\n")
    mock.play(Script(first_token_s=0.05))
    await submit_many(harness, "crowd", 40)
    await submit_many(harness, "vip", 20, job_pb2.PRIORITY_HIGH)
    async with harness.watching("started") as starts, harness.routing(slots=1):
        await harness.until(lambda: len(starts) >= 20)

    assert share_of("vip", starts[4:16]) == 1


async def test_a_tenants_urgent_jobs_go_first(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(first_token_s=0.5), Script())
    async with harness.watching("started") as starts, harness.routing(slots=1):
        first = await harness.submit()
        await harness.first(first, "started")
        urgencies = (job_pb2.PRIORITY_LOW, job_pb2.PRIORITY_NORMAL, job_pb2.PRIORITY_HIGH)
        low, normal, high = [await harness.submit(asking(priority=urgency)) for urgency in urgencies]
        await harness.done(low)

    assert [start.job_id for start in starts] == [first, high, normal, low]


async def test_tenants_share_by_weight_in_tokens_that_were_really_taken(harness: Harness, mock: MockProvider) -> None:
    harness.catalog(f"{harness.read_catalog()}[tenants.heavy]\nweight = 3\n")
    mock.play(Script(tokens=500, first_token_s=0.01))
    # One tenant expects ten times what the other does, and takes as much.
    modest, greedy = (asking(sampling=chat_pb2.SamplingParams(max_tokens=most)) for most in (100, 1000))
    for _ in range(40):
        await asyncio.gather(harness.submit(modest, tenant="light"), harness.submit(greedy, tenant="heavy"))
    # One slot: with more, a lane's next job may not be at hand when several come free at once.
    async with harness.watching("started") as starts, harness.routing(slots=1):
        await harness.until(lambda: len(starts) >= 44)

    assert 0.65 < share_of("heavy", starts[12:44]) < 0.85


def share_of(tenant: str, starts: list[event_pb2.JobEvent]) -> float:
    return sum(belongs_to(start.job_id, tenant) for start in starts) / len(starts)


async def test_a_tenant_has_no_more_jobs_in_hand_than_it_may(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(first_token_s=0.05))
    async with harness.watching("started", "done") as seen, harness.routing(slots=8):
        jobs = [await harness.submit(max_in_flight=2) for _ in range(8)]
        await asyncio.gather(*map(harness.done, jobs))

    in_hand: Counter[str] = Counter()
    most = 0
    for event in sorted(seen, key=lambda event: event.sequence):
        in_hand[event.WhichOneof("event") or ""] += 1
        most = max(most, in_hand["started"] - in_hand["done"])
    assert most == 2
