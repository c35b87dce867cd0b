"""Events and deltas, folded into what is known of a job."""

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_router.job.history import History
from weft_router.job.transcript import AnswerSoFar


def event(sequence: int, **step: object) -> event_pb2.JobEvent:
    return event_pb2.JobEvent(sequence=sequence, **step)  # type: ignore[arg-type]


ACCEPTED = event(3, accepted=event_pb2.Accepted(tenant="acme"))
STARTED = event(5, started=event_pb2.Started(attempt=1, provider="mock"))


def delta(sequence: int, text: str) -> event_pb2.JobEvent:
    return event(sequence, delta=event_pb2.Delta(text=text, token_count=1))


def test_a_fresh_job_has_no_past() -> None:
    history = History.of([ACCEPTED])

    assert (history.accepted_sequence, history.last_sequence, history.claim_sequence) == (3, 3, 0)
    assert not history.transcript()
    assert not history.attempts


def test_text_grows_by_deltas_and_knows_where_it_ends() -> None:
    history = History.of([ACCEPTED, STARTED, delta(8, "One "), delta(9, "two"), event(11)])

    assert (history.transcript().text, history.transcript().token_count) == ("One two", 2)
    assert (history.text_sequence, history.last_sequence, history.claim_sequence) == (9, 11, 5)
    assert [attempt.provider for attempt in history.attempts] == ["mock"]


def attempt(number: int, reason: error_pb2.ErrorReason.ValueType) -> job_pb2.Attempt:
    return job_pb2.Attempt(number=number, provider="mock", error=job_pb2.JobError(reason=reason))


def test_an_attempts_own_result_takes_the_place_of_what_was_supposed() -> None:
    timeout = attempt(1, error_pb2.ERROR_REASON_PROVIDER_TIMEOUT)
    second = event(9, started=event_pb2.Started(attempt=2, previous=timeout))
    history = History.of([ACCEPTED, STARTED, second])

    assert history.attempts[0] == timeout
    assert history.attempts[1].error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN


def test_an_attempt_whose_worker_was_lost_still_names_it() -> None:
    started = event(5, started=event_pb2.Started(attempt=1, provider="mock", worker="router-7:7602"))

    assert History.of([ACCEPTED, started]).attempts[0].worker == "router-7:7602"


def test_an_attempt_that_was_given_up_is_known_as_such_and_its_text_stands() -> None:
    given_up = attempt(1, error_pb2.ERROR_REASON_DRAINING)
    history = History.of([ACCEPTED, STARTED, delta(8, "One "), event(9, released=event_pb2.Released(attempt=given_up))])

    assert history.attempts == [given_up]
    assert (history.transcript().text, history.last_sequence, history.is_over) == ("One ", 9, False)


def test_what_was_said_is_counted_by_attempt_even_where_it_was_withdrawn() -> None:
    rewound = event(9, rewound=event_pb2.Rewound(to_sequence=3))
    second = event(10, started=event_pb2.Started(attempt=2))
    said = History.of([ACCEPTED, STARTED, delta(7, "One "), delta(8, "two"), rewound, second, delta(11, "Ein ")])

    assert said.tokens == {1: 2, 2: 1}


def test_rewinding_withdraws_text_and_claims_the_job() -> None:
    rewound = event(10, rewound=event_pb2.Rewound(to_sequence=8))
    history = History.of([ACCEPTED, STARTED, delta(8, "One "), delta(9, "two"), rewound])

    assert history.transcript().text == "One "
    assert (history.text_sequence, history.claim_sequence) == (8, 10)
    assert (
        History.of([ACCEPTED, delta(8, "One"), event(9, rewound=event_pb2.Rewound(to_sequence=3))]).text_sequence == 0
    )


def test_a_wish_to_stop_and_the_end_are_seen() -> None:
    wish = event(6, cancel_requested=event_pb2.CancelRequested(message="stop"))
    assert History.of([ACCEPTED, wish]).cancel_message == "stop"
    assert History.of([ACCEPTED, event(6, done=event_pb2.Done())]).is_done


def call(index: int, **fields: str) -> event_pb2.Delta:
    return event_pb2.Delta(tool_calls=[event_pb2.ToolCallDelta(index=index, **fields)])


def test_tool_calls_are_put_together_by_index() -> None:
    said = AnswerSoFar()
    for piece in (call(1, id="b", name="time"), call(0, id="a", name="weather"), call(0, arguments_json='{"x":')):
        said.add(piece)
    assert (broken := said.broken_call()) is not None
    assert broken.name == "weather"

    said.add(call(0, arguments_json="1}"))
    assert said.broken_call() is None
    assert said.tool_calls == [
        chat_pb2.ToolCall(id="a", name="weather", arguments_json='{"x":1}'),
        chat_pb2.ToolCall(id="b", name="time"),
    ]


def test_text_that_may_have_expired_is_not_trusted() -> None:
    began = event_pb2.JobEvent(sequence=5, started=event_pb2.Started(attempt=1))
    began.time.FromSeconds(1000)
    history = History.of([ACCEPTED, began, delta(8, "One ")])

    assert not history.may_be_torn(1100, delta_ttl_s=1800)
    assert history.may_be_torn(2800, delta_ttl_s=1800)
    assert not History.of([ACCEPTED]).may_be_torn(2800, delta_ttl_s=1800)


def test_a_job_past_retention_is_over() -> None:
    assert History.of([]).is_over
    assert not History.of([ACCEPTED]).is_over
