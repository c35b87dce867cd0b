"""Whether a provider is asked again, after how long, and what the record says of it."""

from typing import Any

import pytest
from google.protobuf import duration_pb2

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog.catalog import Route
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.routing import retry_policy
from weft_router.routing.retry_policy import RetryLimits
from weft_router.routing.selection import RouteCandidate


def candidate(name: str, *, failures: int = 0, refused: bool = False) -> RouteCandidate:
    return RouteCandidate(Route(provider=name), allowed=True, failures=failures, refused=refused)


def failure(remedy: Remedy, retry_after_s: float | None = None) -> ProviderError:
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_ERROR, "failed", remedy, retry_after_s)


@pytest.mark.parametrize(
    ("remedy", "candidates", "again"),
    [
        (Remedy.ANOTHER_TRY, [candidate("a", failures=1)], True),
        (Remedy.ANOTHER_REPLICA, [candidate("a", failures=1)], True),
        (Remedy.ANOTHER_PROVIDER, [candidate("a", failures=1)], False),
        (Remedy.ANOTHER_PROVIDER, [candidate("a", failures=1), candidate("b")], True),
        (Remedy.NEXT_ROUTE, [candidate("a", failures=1, refused=True)], False),
        (Remedy.NEXT_ROUTE, [candidate("a", failures=1, refused=True), candidate("a", failures=1)], True),
        (Remedy.NEXT_ROUTE, [candidate("a", failures=1, refused=True), candidate("b")], True),
        (Remedy.ANOTHER_ROUTE, [candidate("a", failures=1, refused=True)], False),
        (Remedy.ANOTHER_ROUTE, [candidate("a", failures=1)], True),
        (Remedy.NOTHING, [candidate("a", failures=1), candidate("b")], False),
    ],
)
def test_another_try_is_made_only_where_it_may_help(
    remedy: Remedy,
    candidates: list[RouteCandidate],
    again: bool,  # noqa: FBT001
) -> None:
    assert retry_policy.may_try_again(failure(remedy), candidates) is again


def test_what_two_routes_refuse_without_a_known_reason_is_not_asked_of_a_third() -> None:
    left = [candidate("a", failures=1), candidate("b", failures=1), candidate("c")]
    assert retry_policy.may_try_again(failure(Remedy.NEXT_ROUTE), left, unexplained=1)
    assert not retry_policy.may_try_again(failure(Remedy.NEXT_ROUTE), left, unexplained=2)
    assert retry_policy.may_try_again(failure(Remedy.ANOTHER_ROUTE), left, unexplained=2)


LIMITS = RetryLimits(max_attempts=5, first_wait_s=0.5, longest_wait_s=10)


@pytest.mark.parametrize(("failures", "ceiling_s"), [(1, 0.5), (2, 1), (3, 2), (5, 8), (6, 10), (10_000, 10)])
def test_a_backoff_is_drawn_between_nothing_and_a_ceiling_that_doubles(failures: int, ceiling_s: float) -> None:
    assert retry_policy.backoff_s(failures, LIMITS, left_s=600, share=0) == 0
    assert retry_policy.backoff_s(failures, LIMITS, left_s=600, share=0.25) == ceiling_s / 4
    assert retry_policy.backoff_s(failures, LIMITS, left_s=600, share=1) == ceiling_s


def test_no_backoff_is_longer_than_the_job_lives() -> None:
    assert retry_policy.backoff_s(5, LIMITS, left_s=3, share=0.5) == 1.5
    assert retry_policy.backoff_s(5, LIMITS, left_s=-1, share=0.5) == 0


ALONE = [candidate("a", failures=1)]


def waited(error: ProviderError, candidates: list[RouteCandidate], *, backoff: float = 0.0, left_s: float = 60) -> Any:
    return retry_policy.wait_before_retry(error, candidates, backoff, longest_s=10, left_s=left_s)


def test_a_providers_wish_to_be_left_alone_is_honoured_within_bounds() -> None:
    assert waited(failure(Remedy.ANOTHER_TRY, 3), ALONE) == 3
    assert waited(failure(Remedy.ANOTHER_TRY, 3), ALONE, backoff=0.25) == 3.25
    assert waited(failure(Remedy.ANOTHER_TRY, 30), ALONE) == 10
    assert waited(failure(Remedy.ANOTHER_TRY), ALONE, backoff=0.25) == 0.25


def test_a_wish_longer_than_the_job_lives_ends_it_at_once_and_says_so() -> None:
    error = failure(Remedy.ANOTHER_TRY, 300)
    assert waited(error, ALONE, left_s=60) is None

    verdict = retry_policy.verdict(error, ATTEMPTS[:1], LIMITS, left_s=60)
    assert verdict.reason == error_pb2.ERROR_REASON_PROVIDER_ERROR
    assert "left alone for 300.0 s, and the job has 60.0 s to live" in verdict.message


def test_nothing_is_waited_for_where_another_provider_can_be_asked() -> None:
    both = [candidate("a", failures=1), candidate("b")]
    assert waited(failure(Remedy.ANOTHER_TRY, 3), both, backoff=1) == 0
    assert waited(failure(Remedy.ANOTHER_TRY, 300), both, backoff=1) == 0


def test_a_replica_that_shuts_down_is_not_waited_for() -> None:
    assert waited(failure(Remedy.ANOTHER_REPLICA, 300), ALONE, backoff=0.25) == 0.25


def attempt(number: int, provider: str, reason: error_pb2.ErrorReason.ValueType) -> job_pb2.Attempt:
    return job_pb2.Attempt(number=number, provider=provider, error=job_pb2.JobError(reason=reason))


ATTEMPTS = [
    attempt(1, "a", error_pb2.ERROR_REASON_PROVIDER_TIMEOUT),
    attempt(2, "b", error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN),
    attempt(3, "a", error_pb2.ERROR_REASON_PROVIDER_ERROR),
]


LOST = attempt(4, "a", error_pb2.ERROR_REASON_DEPENDENCY_DOWN)
DRAINED = attempt(4, "a", error_pb2.ERROR_REASON_DRAINING)
UNREACHABLE = attempt(4, "a", error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE)
OVERLOADED = attempt(4, "a", error_pb2.ERROR_REASON_PROVIDER_OVERLOADED)


def met_an_outage(failed: job_pb2.Attempt) -> job_pb2.Attempt:
    out = job_pb2.Attempt(provider_out=True)
    out.MergeFrom(failed)
    return out


@pytest.mark.parametrize("ended", [LOST, DRAINED], ids=["lost with its worker", "given up by it"])
def test_an_attempt_that_ended_with_its_worker_is_no_failure(ended: job_pb2.Attempt) -> None:
    assert retry_policy.failures([ended]) == []
    assert retry_policy.provider_failures([ended]) == {}
    assert retry_policy.counted([*ATTEMPTS, ended], LIMITS) == 3
    assert not retry_policy.adds_load([ended])


@pytest.mark.parametrize("met", [UNREACHABLE, OVERLOADED, met_an_outage(ATTEMPTS[0])])
def test_an_attempt_that_met_an_outage_counts_only_where_the_job_does_not_wait(met: job_pb2.Attempt) -> None:
    assert retry_policy.counted([*ATTEMPTS, met], LIMITS) == 3
    assert retry_policy.counted([*ATTEMPTS, met], RetryLimits(waits=False)) == 4


REFUSED = job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_REJECTED, message="the provider answered 400")
LACKING = job_pb2.JobError(reason=error_pb2.ERROR_REASON_UNSUPPORTED, message="no images here")


def test_a_call_after_a_refusal_of_the_request_for_itself_adds_no_load() -> None:
    assert not retry_policy.adds_load([job_pb2.Attempt(error=REFUSED), job_pb2.Attempt(error=LACKING)])
    assert retry_policy.adds_load([job_pb2.Attempt(error=REFUSED), ATTEMPTS[0]])


def test_only_routes_that_refused_for_good_are_passed_over() -> None:
    passed = job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, retryable=True)
    attempts = [
        job_pb2.Attempt(provider="a", provider_model="large", error=REFUSED),
        job_pb2.Attempt(provider="b", provider_model="m", error=passed),
        LOST,
    ]
    assert retry_policy.refusing_routes(attempts) == {("a", "large")}


def test_the_verdict_on_refusals_names_who_said_what() -> None:
    error = ProviderError(error_pb2.ERROR_REASON_UNSUPPORTED, "no images here", Remedy.ANOTHER_ROUTE)
    attempts = [
        job_pb2.Attempt(number=1, provider="a", error=REFUSED),
        job_pb2.Attempt(number=2, provider="b", error=LACKING),
    ]
    alone = retry_policy.verdict(error, attempts[1:], LIMITS, left_s=60)
    both = retry_policy.verdict(error, attempts, LIMITS, left_s=60)
    assert alone == error.to_wire()
    assert (both.reason, both.retryable) == (error_pb2.ERROR_REASON_UNSUPPORTED, False)
    assert both.message == (
        "no route took it: 1 a PROVIDER_REJECTED: the provider answered 400; 2 b UNSUPPORTED: no images here"
    )
    assert (
        "1 a PROVIDER_REJECTED: the provider answered 400; 2 b UNSUPPORTED" in retry_policy.exhausted(attempts).message
    )


def test_the_verdict_on_many_long_refusals_stays_short() -> None:
    refused = job_pb2.JobError(reason=REFUSED.reason, message="x" * 1000)
    attempts = [job_pb2.Attempt(number=number, provider="a", error=refused) for number in range(16)]
    assert len(retry_policy.exhausted(attempts).message) < 2000


def test_a_route_that_may_take_what_this_one_lacks_is_asked_at_once() -> None:
    assert waited(failure(Remedy.ANOTHER_ROUTE), [candidate("a", failures=1)], backoff=1) == 0


def test_a_retry_adds_load_unless_calls_were_held_back_meanwhile() -> None:
    assert retry_policy.adds_load([ATTEMPTS[0]])
    assert retry_policy.adds_load([OVERLOADED])
    assert not retry_policy.adds_load([met_an_outage(ATTEMPTS[0])])
    assert retry_policy.adds_load([ATTEMPTS[0], met_an_outage(ATTEMPTS[0])])
    assert not retry_policy.adds_load([job_pb2.Attempt(result=job_pb2.Attempt.RESULT_REPLACED)])


def test_a_job_is_given_up_that_loses_one_worker_after_another() -> None:
    limits = RetryLimits(max_attempts=2, max_lost_attempts=4)
    assert retry_policy.given_up([LOST] * 3, limits) is None
    why = retry_policy.given_up([LOST] * 4, limits)
    assert why is not None
    assert why.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert (
        why.message == "4 attempts were lost with their workers, which this job may be killing; see the routers' logs"
    )


def retrying(**fields: Any) -> job_pb2.GenerationRequest:
    return job_pb2.GenerationRequest(retry_policy=job_pb2.RetryPolicy(**fields))


def test_a_requests_own_policy_holds_within_the_routers() -> None:
    assert LIMITS.of(job_pb2.GenerationRequest()) == LIMITS
    assert LIMITS.of(retrying(max_attempts=2)).max_attempts == 2
    assert LIMITS.of(retrying(max_attempts=50)).max_attempts == 5
    assert LIMITS.of(retrying(max_backoff=duration_pb2.Duration(nanos=500_000_000))).longest_wait_s == 0.5
    assert LIMITS.of(retrying(max_backoff=duration_pb2.Duration(seconds=60))).longest_wait_s == 10
    assert LIMITS.of(retrying(on_outage=job_pb2.ON_OUTAGE_WAIT)).waits
    assert not LIMITS.of(retrying(on_outage=job_pb2.ON_OUTAGE_FAIL)).waits


def test_the_verdict_lists_every_attempt_once_they_are_used_up() -> None:
    verdict = retry_policy.verdict(failure(Remedy.ANOTHER_TRY), ATTEMPTS, RetryLimits(max_attempts=3), left_s=60)

    assert verdict.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert "1 a PROVIDER_TIMEOUT; 2 b PROVIDER_STREAM_BROKEN; 3 a PROVIDER_ERROR" in verdict.message


def test_the_verdict_is_the_last_failure_where_another_try_would_not_have_helped() -> None:
    verdict = retry_policy.verdict(failure(Remedy.NOTHING), ATTEMPTS, RetryLimits(max_attempts=3), left_s=60)

    assert (verdict.reason, verdict.retryable) == (error_pb2.ERROR_REASON_PROVIDER_ERROR, False)


def said(text: str, tokens: int) -> AnswerSoFar:
    transcript = AnswerSoFar()
    transcript.add(event_pb2.Delta(text=text, token_count=tokens))
    return transcript


def test_only_plain_text_with_room_left_is_continued() -> None:
    plain = job_pb2.GenerationRequest()
    with_tools = job_pb2.GenerationRequest(tools=[chat_pb2.Tool(name="t")])
    as_json = job_pb2.GenerationRequest(
        response_format=chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
    )

    assert retry_policy.can_continue(plain, said("One", 1), max_tokens=2)
    assert not retry_policy.can_continue(plain, said("One two", 2), max_tokens=2)
    assert not retry_policy.can_continue(with_tools, said("One", 1), max_tokens=2)
    assert not retry_policy.can_continue(as_json, said("{", 1), max_tokens=2)
