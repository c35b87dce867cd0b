"""Texts, numbers and times can be kept, wherever in a request they stand; and a request has no more than is read."""

import math

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from tests.support.cost import cost_of
from tests.support.descriptors import (
    KINDS,
    NUMBERS,
    TEXTS,
    Way,
    holding,
    is_item,
    named,
    ways,
)

from weft.common.v1 import chat_pb2, filter_pb2
from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_kit.rpc.errors import InvalidFields
from weft_kit.validation.fields import MOST_ENTRIES, check_request

YEAR_10000 = 253_402_300_800


def refused(request: Message) -> set[str]:
    try:
        check_request(request)
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


CASES = [(kind, way) for kind in KINDS.values() for way in ways(kind, TEXTS)]
NUMBER_CASES = [(kind, way) for kind in KINDS.values() for way in ways(kind, NUMBERS)]


@pytest.mark.parametrize(("kind", "way"), CASES, ids=named)
def test_no_text_of_any_request_may_hold_nul(kind: Descriptor, way: Way) -> None:
    request, path = holding(kind, way, "a\0b")
    # A batch is not refused for one of its items, which is among the cases itself.
    assert refused(request) == (set() if any(map(is_item, way)) else {path})
    assert refused(holding(kind, way, "a b")[0]) == set()


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(("kind", "way"), NUMBER_CASES, ids=named)
def test_no_number_of_any_request_may_be_infinite_or_none(kind: Descriptor, way: Way, number: float) -> None:
    request, path = holding(kind, way, number)
    assert refused(request) == (set() if any(map(is_item, way)) else {path})


def test_bytes_may_hold_nul() -> None:
    picture = chat_pb2.Image(data=b"\0", mime_type="image/png")
    message = chat_pb2.Message(parts=[chat_pb2.ContentPart(image=picture)])
    assert refused(job_pb2.GenerationRequest(messages=[message])) == set()
    assert refused(retrieval_pb2.Document(content=b"\0")) == set()


def test_structs_are_looked_at_to_the_bottom() -> None:
    value = Value(string_value="\0")
    for _ in range(10):
        value = Value(list_value=ListValue(values=[Value(struct_value=Struct(fields={"k": value}))]))
    document = retrieval_pb2.Document(metadata=Struct(fields={"top": value}))
    assert len(refused(document)) == 1


def of_parts(count: int, text: str) -> job_pb2.GenerationRequest:
    parts = [chat_pb2.ContentPart(text=text)] * count
    return job_pb2.GenerationRequest(messages=[chat_pb2.Message(parts=parts)])


def test_more_entries_than_are_looked_at_are_refused() -> None:
    assert refused(of_parts(MOST_ENTRIES - 1, "\0")) != {"messages[0].parts"}
    assert refused(of_parts(MOST_ENTRIES, "\0")) == {"messages[0].parts"}
    many = gateway_pb2.SubmitJobsRequest(requests=[gateway_pb2.SubmitJobRequest()] * (MOST_ENTRIES + 1))
    assert refused(many) == {"requests"}
    labels = {str(n): "" for n in range(MOST_ENTRIES + 1)}
    assert refused(job_pb2.GenerationRequest(labels=labels)) == {"labels"}


def test_a_request_costs_as_much_to_check_as_it_has_entries() -> None:
    half, whole = of_parts(5_000, "a"), of_parts(10_000, "a")
    assert cost_of(lambda: refused(whole)) < 4 * cost_of(lambda: refused(half))


def test_empty_entries_cost_no_more_than_text_of_their_size() -> None:
    empty = job_pb2.GenerationRequest.FromString(b"\x12\x00" * 200_000)
    text = of_parts(1, "a" * 400_000).SerializeToString()
    decoding = cost_of(lambda: job_pb2.GenerationRequest.FromString(text).SerializeToString())
    assert cost_of(lambda: refused(empty)) < 10 * decoding
