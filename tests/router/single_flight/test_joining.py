"""Which requests share a call, and what of it a job's readers lack."""

import pytest
from google.protobuf import duration_pb2
from hypothesis import given
from hypothesis import strategies as st
from tests.router.harness import asking, user

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_router.routing.retry_policy import RetryLimits
from weft_router.single_flight.joining import (
    flight_of,
    is_shared,
    may_join,
    unbooked,
    unheard,
)

EXACT = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)
GREEDY = chat_pb2.SamplingParams(temperature=0)


@pytest.mark.parametrize(
    ("request_", "joins"),
    [
        (asking(), False),
        (asking(sampling=GREEDY), True),
        (asking(cache=EXACT), True),
        (asking(sampling=GREEDY, cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_OFF)), False),
        (asking(cache=job_pb2.CachePolicy(mode=EXACT.mode, max_age=duration_pb2.Duration(seconds=1))), True),
        (asking(cache=job_pb2.CachePolicy(mode=EXACT.mode, max_age=duration_pb2.Duration())), False),
    ],
)
def test_a_request_joins_where_it_lets_an_equal_answer_serve(
    request_: job_pb2.GenerationRequest, *, joins: bool
) -> None:
    assert may_join(request_) is joins


@pytest.mark.parametrize("request_", [asking(sampling=GREEDY), asking(cache=EXACT)])
def test_nobody_joins_where_the_alias_turned_the_cache_off(request_: job_pb2.GenerationRequest) -> None:
    assert not may_join(request_, "off")


@pytest.mark.parametrize(
    "other",
    [
        ("rival", asking(), 0),
        ("acme", asking("What is the capital of Spain?"), 0),
        ("acme", asking(model="other"), 0),
        ("acme", asking(messages=[user("Hello."), user("What is the capital of France?")]), 0),
        ("acme", asking(sampling=chat_pb2.SamplingParams(temperature=0.5)), 0),
        ("acme", asking(retrieval=job_pb2.RetrievalOptions(collection="guide")), 0),
        ("acme", asking(), 1),
        ("acme", asking(routing=job_pb2.Routing(draft=True)), 0),
        ("acme", asking(retry_policy=job_pb2.RetryPolicy(on_outage=job_pb2.ON_OUTAGE_FAIL)), 0),
    ],
)
def test_whatever_could_change_the_answer_or_its_way_makes_another_flight(
    other: tuple[str, job_pb2.GenerationRequest, int],
) -> None:
    assert flight_of(*other) != flight_of("acme", asking(), 0)


def test_what_cannot_change_the_answer_makes_no_other_flight() -> None:
    same = asking(labels={"team": "red"}, priority=job_pb2.PRIORITY_LOW, webhook_url="https://example.com", cache=EXACT)
    assert flight_of("acme", same, 0) == flight_of("acme", asking(), 0)


@given(st.text(), st.text())
def test_readers_hear_the_rest_of_the_text_they_know(known: str, rest: str) -> None:
    news = unheard(known, event_pb2.Delta(text=known + rest, token_count=9))
    assert news is not None
    assert news.text == rest


@given(st.text(), st.text())
def test_readers_hear_nothing_while_the_call_is_behind_them(said: str, more: str) -> None:
    news = unheard(said + more, event_pb2.Delta(text=said, token_count=3))
    assert news == event_pb2.Delta()


@given(st.text(), st.text())
def test_text_that_is_another_is_never_gone_on_from(known: str, said: str) -> None:
    news = unheard(known, event_pb2.Delta(text=said))
    assert (news is None) is not (said.startswith(known) or known.startswith(said))


def test_thoughts_and_tool_calls_are_never_gone_on_from() -> None:
    assert unheard("One ", event_pb2.Delta(text="One two.", reasoning="Hm.")) is None
    assert unheard("One ", event_pb2.Delta(tool_calls=[event_pb2.ToolCallDelta(name="find")])) is None


@pytest.mark.parametrize(
    ("reason", "retryable", "failures", "shared"),
    [
        (error_pb2.ERROR_REASON_PROVIDER_REJECTED, False, 1, True),
        (error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED, True, 2, True),
        (error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED, True, 1, False),
        (error_pb2.ERROR_REASON_QUOTA_EXCEEDED, False, 1, False),
    ],
)
def test_a_listener_fails_with_the_call_where_its_own_would_not_help(
    reason: error_pb2.ErrorReason.ValueType, *, retryable: bool, failures: int, shared: bool
) -> None:
    attempt = job_pb2.Attempt(error=job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_ERROR))
    error = job_pb2.JobError(reason=reason, retryable=retryable)
    assert is_shared(error, [attempt] * failures, RetryLimits(max_attempts=2)) is shared


def test_what_a_call_took_is_left_out_for_those_who_only_listened() -> None:
    attempt = job_pb2.Attempt(number=1, provider="mock", usage=chat_pb2.Usage(prompt_tokens=1))
    attempt.cost.micros = 5
    assert unbooked(attempt) == job_pb2.Attempt(number=1, provider="mock")
    assert attempt.usage.prompt_tokens == 1
