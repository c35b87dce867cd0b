"""Lists of jobs, narrowed."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from tests.gateway.conftest import Ask, Refused

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.record.job_query import JobQuery, read_job_query
from weft_gateway.record.rows import rows
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, new_job_id


@pytest.fixture
async def jobs(caller: Any, ask: Ask, recorded: Any) -> list[job_pb2.Job]:
    """Three jobs that differ in everything, the newest last."""
    made = [
        await caller.submit(ask(labels={"team": "a", "run": "1"}), "order-1"),
        await caller.submit(ask(labels={"team": "a"}, model="large", priority=job_pb2.PRIORITY_HIGH), "order-2"),
        await caller.submit(ask(priority=job_pb2.PRIORITY_LOW)),
    ]
    await recorded(caller, lambda found: len(found) == 3)
    return made


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"models": ["default"]}, [0, 2]),
        ({"models": ["large", "default"]}, [0, 1, 2]),
        ({"models": ["unheard of"]}, []),
        ({"priorities": [job_pb2.PRIORITY_NORMAL]}, [0]),
        ({"priorities": [job_pb2.PRIORITY_HIGH, job_pb2.PRIORITY_LOW]}, [1, 2]),
        ({"priorities": [99]}, [0, 1, 2]),
        ({"labels": {"team": "a"}}, [0, 1]),
        ({"labels": {"team": "a", "run": "1"}}, [0]),
        ({"labels": {"team": "b"}}, []),
        ({"labels": {"run": ""}}, []),
        ({"request_id": "order-2"}, [1]),
        ({"request_id": "order-9"}, []),
        ({"request_id": "order-2", "models": ["default"]}, []),
        ({"labels": {"team": "a"}, "models": ["large"], "states": [job_pb2.JOB_STATE_QUEUED]}, [1]),
    ],
)
async def test_a_list_holds_what_matches_every_filter(
    caller: Any, jobs: list[job_pb2.Job], filters: dict[str, Any], expected: list[int]
) -> None:
    found = await caller.list(**filters)
    assert [job.job_id for job in found.jobs] == [jobs[i].job_id for i in reversed(expected)]


async def test_filters_hold_from_page_to_page(caller: Any, jobs: list[job_pb2.Job], refused: Refused) -> None:
    first = await caller.list(labels={"team": "a"}, page_size=1)
    second = await caller.list(labels={"team": "a"}, page_size=1, page_token=first.next_page_token)
    assert [job.job_id for job in (*first.jobs, *second.jobs)] == [jobs[1].job_id, jobs[0].job_id]
    assert second.next_page_token == ""
    error = await refused(caller.list(labels={"team": "b"}, page_token=first.next_page_token))
    assert error.reason == error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN


async def test_another_tenants_request_id_finds_nothing(server: Any, new_caller: Any, jobs: list[job_pb2.Job]) -> None:
    stranger = await new_caller(server)
    assert jobs
    assert not (await stranger.list(request_id="order-1")).jobs


async def test_a_job_answered_from_the_cache_is_found_too(caller: Any, ask: Ask, log: JobLog, recorded: Any) -> None:
    accepted = event_pb2.Accepted(
        tenant=caller.key.tenant, request=ask(labels={"team": "a"}, priority=job_pb2.PRIORITY_HIGH)
    )
    done = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, accepted=accepted)
    event = await log.answer(new_job_id(caller.key.tenant, job_pb2.PRIORITY_HIGH), done)
    filters = {"labels": {"team": "a"}, "priorities": [job_pb2.PRIORITY_HIGH]}
    (found,) = await recorded(caller, bool, **filters)
    assert found.job_id == event.job_id


async def test_a_page_token_is_good_at_every_replica(
    config: Config, new_caller: Any, ask: Ask, recorded: Any, refused: Refused
) -> None:
    async with gateway(config) as one, gateway(config, ("serve",)) as other:
        here = await new_caller(one)
        there, stranger = await new_caller(other, here.key.tenant), await new_caller(other)
        for _ in range(2):
            await here.submit(ask())
        newest, oldest = await recorded(here, lambda seen: len(seen) == 2)
        first = await here.list(page_size=1)
        second = await there.list(page_size=1, page_token=first.next_page_token)
        assert [job.job_id for job in (*first.jobs, *second.jobs)] == [newest.job_id, oldest.job_id]
        error = await refused(stranger.list(page_size=1, page_token=first.next_page_token))
        assert error.reason == error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN


async def test_a_list_is_asked_for_by_so_many_models_and_labels(caller: Any, refused: Refused) -> None:
    error = await refused(caller.list(models=["m"] * 101, labels={str(n): "" for n in range(17)}))
    assert error.violations == {"models": "must be at most 100, are 101", "labels": "must be at most 16, are 17"}


def test_every_filter_is_bound_to_the_page_token() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    plain = read_job_query("acme", pb.ListJobsRequest())
    changes: list[dict[str, Any]] = [
        {}, {"tenant": "other"}, {"states": (1,)}, {"models": ("m",)}, {"priorities": (1,)},
        {"labels": (("a", "b"),)}, {"request_id": "r"}, {"accepted_after": moment}, {"accepted_before": moment},
    ]  # fmt: skip
    marks = [replace(plain, **change).scope for change in changes]
    assert len(set(marks)) == len(marks)
    assert {name for change in changes for name in change} | {"before", "size"} == set(JobQuery.__dataclass_fields__)


def test_filters_in_another_order_are_the_same_list() -> None:
    orders = [
        pb.ListJobsRequest(models=["a", "b"], priorities=[1, 3], labels={"x": "1", "y": "2"}),
        pb.ListJobsRequest(models=["b", "a", "b"], priorities=[3, 1], labels={"y": "2", "x": "1"}),
    ]
    assert all(one == other for one, other in pairwise(read_job_query("acme", order).scope for order in orders))


def test_a_row_tells_priority_labels_and_expiry(ask: Ask) -> None:
    accepted = event_pb2.Accepted(tenant="acme", request=ask(labels={"team": "a"}))
    accepted.expire_time.FromSeconds(60)
    (row,) = rows([event_pb2.JobEvent(job_id="j", sequence=1, accepted=accepted)])
    assert (row.priority, row.labels) == (job_pb2.PRIORITY_NORMAL, '{"team": "a"}')
    assert row.expire_time == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
