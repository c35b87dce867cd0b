"""Durations and timestamps are what their types promise, wherever in a request they stand."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from weft.common.v1 import filter_pb2
from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_kit.errors import InvalidFields
from weft_kit.time_rules import check_times

YEAR_10000 = 253_402_300_800


def refused(request: Message) -> set[str]:
    try:
        check_times(request)
    except InvalidFields as error:
        return set(error.violations)
    return set()


@pytest.mark.parametrize(
    ("seconds", "nanos", "is_good"),
    [
        (0, 0, True),
        (1, 999_999_999, True),
        (-1, -999_999_999, True),
        (0, -1, True),
        (315_576_000_000, 0, True),
        (1, 1_000_000_000, False),
        (0, -1_000_000_000, False),
        (1, -1, False),
        (-1, 1, False),
        (315_576_000_001, 0, False),
    ],
)
def test_a_duration_is_in_range_and_of_one_sign(seconds: int, nanos: int, *, is_good: bool) -> None:
    wait = Duration(seconds=seconds, nanos=nanos)
    assert refused(gateway_pb2.GetJobRequest(wait=wait)) == (set() if is_good else {"wait"})
    if is_good:
        wait.ToTimedelta()
        wait.ToJsonString()


@pytest.mark.parametrize(
    ("seconds", "nanos", "is_good"),
    [
        (0, 0, True),
        (-62_135_596_800, 0, True),
        (YEAR_10000 - 1, 999_999_999, True),
        (YEAR_10000, 0, False),
        (-62_135_596_801, 0, False),
        (0, -1, False),
        (0, 1_000_000_000, False),
    ],
)
def test_a_timestamp_is_a_time_of_the_calendar(seconds: int, nanos: int, *, is_good: bool) -> None:
    moment = Timestamp(seconds=seconds, nanos=nanos)
    found = refused(gateway_pb2.ListJobsRequest(accepted_after=moment))
    assert found == (set() if is_good else {"accepted_after"})
    if is_good:
        moment.ToDatetime()
        moment.ToJsonString()


def test_times_are_found_however_deep() -> None:
    late = filter_pb2.Value(time=Timestamp(seconds=YEAR_10000))
    condition = filter_pb2.Condition(field="ingest_time", values=[filter_pb2.Value(text="a"), late])
    inner = filter_pb2.Filter(condition=condition)
    both = filter_pb2.FilterList(filters=[filter_pb2.Filter(), inner])
    search = retrieval_pb2.SearchRequest(filter=filter_pb2.Filter(**{"and": both}))
    assert refused(search) == {"filter.and.filters[1].condition.values[1].time"}


def test_requests_in_a_batch_are_left_to_be_refused_one_by_one() -> None:
    odd = job_pb2.GenerationRequest(timeout=Duration(nanos=2_000_000_000))
    one = gateway_pb2.SubmitJobRequest(request=odd)
    assert refused(one) == {"request.timeout"}
    assert refused(gateway_pb2.SubmitJobsRequest(requests=[one])) == set()
