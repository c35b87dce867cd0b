"""Which provider is asked, whether again, and what the record says of it."""

import pytest

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog import Route
from weft_router import policy
from weft_router.policy import Candidate
from weft_router.providers.port import ProviderError, Remedy
from weft_router.transcript import Transcript


def candidate(name: str, *, allowed: bool = True, failures: int = 0, expected_s: float = 0.0) -> Candidate:
    return Candidate(Route(provider=name), allowed, failures, expected_s)


def chosen(*candidates: Candidate, selection: policy.Selection = "priority") -> tuple[str, str]:
    choice = policy.choose(candidates, selection)
    assert choice is not None
    return choice.route.provider, choice.because


def failure(remedy: Remedy, retry_after_s: float | None = None) -> ProviderError:
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_ERROR, "failed", remedy, retry_after_s)


def test_the_most_preferred_provider_is_asked_first() -> None:
    assert chosen(candidate("a", expected_s=9), candidate("b")) == ("a", "most preferred route")


def test_the_fastest_is_asked_where_the_alias_wants_that() -> None:
    slow, fast = candidate("a", expected_s=0.5), candidate("b", expected_s=0.025)
    assert chosen(slow, fast, selection="fastest") == ("b", "first token expected soonest, in 25 ms")


def test_equally_fast_providers_are_asked_by_preference() -> None:
    assert chosen(candidate("a"), candidate("b"), selection="fastest")[0] == "a"


def test_an_open_breaker_keeps_requests_away() -> None:
    assert chosen(candidate("a", allowed=False), candidate("b")) == ("b", "more preferred routes are failing")


def test_a_provider_that_failed_this_job_comes_last() -> None:
    assert chosen(candidate("a", failures=1), candidate("b"))[0] == "b"
    assert chosen(candidate("a", failures=2), candidate("b", failures=1))[0] == "b"


def test_nothing_is_chosen_when_every_breaker_is_open() -> None:
    assert policy.choose([candidate("a", allowed=False)], "priority") is None


@pytest.mark.parametrize(
    ("remedy", "candidates", "again"),
    [
        (Remedy.ANOTHER_TRY, [candidate("a", failures=1)], True),
        (Remedy.ANOTHER_PROVIDER, [candidate("a", failures=1)], False),
        (Remedy.ANOTHER_PROVIDER, [candidate("a", failures=1), candidate("b")], True),
        (Remedy.NOTHING, [candidate("a", failures=1), candidate("b")], False),
    ],
)
def test_another_try_is_made_only_where_it_may_help(remedy: Remedy, candidates: list[Candidate], again: bool) -> None:  # noqa: FBT001
    assert policy.may_try_again(failure(remedy), candidates, tokens_came=False) is again


def test_nothing_is_tried_again_once_readers_saw_tokens() -> None:
    assert not policy.may_try_again(failure(Remedy.ANOTHER_TRY), [candidate("a"), candidate("b")], tokens_came=True)


def test_a_providers_wish_to_be_left_alone_is_honoured_within_bounds() -> None:
    alone = [candidate("a", failures=1)]
    assert policy.wait_before_retry(failure(Remedy.ANOTHER_TRY, 3), alone, 10) == 3
    assert policy.wait_before_retry(failure(Remedy.ANOTHER_TRY, 300), alone, 10) == 10
    assert policy.wait_before_retry(failure(Remedy.ANOTHER_TRY), alone, 10) is None


def test_nothing_is_waited_for_where_another_provider_can_be_asked() -> None:
    both = [candidate("a", failures=1), candidate("b")]
    assert policy.wait_before_retry(failure(Remedy.ANOTHER_TRY, 3), both, 10) == 0


def attempt(number: int, provider: str, reason: error_pb2.ErrorReason.ValueType) -> job_pb2.Attempt:
    return job_pb2.Attempt(number=number, provider=provider, error=job_pb2.JobError(reason=reason))


ATTEMPTS = [
    attempt(1, "a", error_pb2.ERROR_REASON_PROVIDER_TIMEOUT),
    attempt(2, "b", error_pb2.ERROR_REASON_DEPENDENCY_DOWN),
    attempt(3, "a", error_pb2.ERROR_REASON_PROVIDER_ERROR),
]


def test_an_attempt_lost_with_its_worker_is_not_its_providers_fault() -> None:
    assert policy.provider_failures(ATTEMPTS) == {"a": 2}


def test_the_verdict_lists_every_attempt_once_they_are_used_up() -> None:
    verdict = policy.verdict(failure(Remedy.ANOTHER_TRY), ATTEMPTS, max_attempts=3)

    assert verdict.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert "1 a PROVIDER_TIMEOUT; 2 b DEPENDENCY_DOWN; 3 a PROVIDER_ERROR" in verdict.message


def test_the_verdict_is_the_last_failure_where_another_try_would_not_have_helped() -> None:
    verdict = policy.verdict(failure(Remedy.NOTHING), ATTEMPTS, max_attempts=3)

    assert (verdict.reason, verdict.retryable) == (error_pb2.ERROR_REASON_PROVIDER_ERROR, False)


def said(text: str, tokens: int) -> Transcript:
    transcript = Transcript()
    transcript.add(event_pb2.Delta(text=text, token_count=tokens))
    return transcript


def test_only_plain_text_with_room_left_is_continued() -> None:
    plain = job_pb2.GenerationRequest()
    with_tools = job_pb2.GenerationRequest(tools=[chat_pb2.Tool(name="t")])
    as_json = job_pb2.GenerationRequest(
        response_format=chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
    )

    assert policy.can_continue(plain, said("One", 1), max_tokens=2)
    assert not policy.can_continue(plain, said("One two", 2), max_tokens=2)
    assert not policy.can_continue(with_tools, said("One", 1), max_tokens=2)
    assert not policy.can_continue(as_json, said("{", 1), max_tokens=2)
