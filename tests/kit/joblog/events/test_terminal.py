"""What a log tells of a job that has no end yet, and the end that is written for it."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import text_hash
from weft_kit.joblog.events.projection import attempts_of, standing
from weft_kit.joblog.events.terminal import cancelled, expired, lost_event, terminal_event


def event(sequence: int, **step: object) -> event_pb2.JobEvent:
    return event_pb2.JobEvent(sequence=sequence, time=Timestamp(seconds=sequence), **step)  # type: ignore[arg-type]


def delta(sequence: int, text: str) -> event_pb2.JobEvent:
    return event(sequence, delta=event_pb2.Delta(text=text, token_count=1))


def failed(number: int) -> job_pb2.Attempt:
    error = job_pb2.JobError(reason=error_pb2.ERROR_REASON_PROVIDER_TIMEOUT)
    return job_pb2.Attempt(number=number, error=error)


ACCEPTED = event(1, accepted=event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default")))
STARTED = event(
    2,
    started=event_pb2.Started(
        attempt=1, provider="mock", provider_model="m", worker="router-7:7602", joined_job_id="another"
    ),
)


def test_an_attempt_without_a_result_is_lost_and_all_that_is_known_of_it_stands() -> None:
    (attempt,) = attempts_of([ACCEPTED, STARTED])
    assert attempt.error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    assert attempt.error.retryable
    assert (attempt.number, attempt.provider, attempt.provider_model) == (1, "mock", "m")
    assert (attempt.worker, attempt.joined_job_id, attempt.start_time.seconds) == ("router-7:7602", "another", 2)


def test_a_result_takes_the_place_of_a_loss_wherever_it_stands() -> None:
    second = event(4, started=event_pb2.Started(attempt=2, previous=failed(1)))
    attempts = attempts_of([ACCEPTED, STARTED, second, event(5, released=event_pb2.Released(attempt=failed(2)))])
    assert attempts == [failed(1), failed(2)]


def test_withdrawn_deltas_do_not_stand() -> None:
    rewound = event(5, rewound=event_pb2.Rewound(to_sequence=3))
    events = [ACCEPTED, STARTED, delta(3, "a"), delta(4, "b"), rewound, delta(6, "c")]
    assert [found.sequence for found in standing(events)] == [3, 6]


def test_an_expired_job_ends_with_what_was_said_and_counted() -> None:
    rewound = event(4, rewound=event_pb2.Rewound(to_sequence=2))
    done = terminal_event("j", [ACCEPTED, STARTED, delta(3, "a"), rewound, delta(5, "b")])
    assert (done.state, done.error) == (job_pb2.JOB_STATE_EXPIRED, expired())
    assert (done.answer.text, done.text_hash, done.answer.provider) == ("b", text_hash("b"), "mock")
    assert (done.answer.usage.completion_tokens, done.total_usage.completion_tokens) == (1, 2)
    assert done.answer.usage.estimated
    assert [attempt.number for attempt in done.attempts] == [1]
    assert (done.start_time.seconds, done.first_token_time.seconds) == (2, 3)


def test_a_job_that_was_to_stop_ends_cancelled_in_the_first_words_that_asked_for_it() -> None:
    asked = [event(n, cancel_requested=event_pb2.CancelRequested(message=f"words {n}")) for n in (3, 4)]
    done = terminal_event("j", [ACCEPTED, STARTED, *asked])
    assert (done.state, done.error) == (job_pb2.JOB_STATE_CANCELLED, cancelled("words 3"))


def test_a_job_of_which_nothing_can_be_read_ends_all_the_same() -> None:
    done = terminal_event("j", ())
    assert (done.state, done.answer.text, done.HasField("total_usage")) == (job_pb2.JOB_STATE_EXPIRED, "", False)


def test_the_end_of_a_job_that_the_log_lost_carries_its_envelope() -> None:
    done = lost_event("j", [ACCEPTED, STARTED])
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_LOG_LOST)
    assert done.accepted == ACCEPTED.accepted


@pytest.mark.parametrize(
    ("error", "message", "retryable"),
    [
        (cancelled("enough"), "cancelled: enough", False),
        (cancelled(""), "cancelled: somebody asked for it", False),
        (expired(), "the job's time ran out; submit it again with a longer timeout", True),
        (expired("x"), "the job's time ran out while it waited: x; submit it again with a longer timeout", True),
    ],
)
def test_why_a_job_ended_says_what_to_do(error: job_pb2.JobError, message: str, *, retryable: bool) -> None:
    assert (error.message, error.retryable) == (message, retryable)
