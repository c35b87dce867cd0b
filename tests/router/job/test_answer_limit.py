"""What an answer has room for, delta by delta."""

import pytest

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2
from weft_router.job.answer_limit import (
    BYTES_A_TOKEN,
    BYTES_BESIDE_TOKENS,
    MOST_CALLS,
    AnswerLimit,
)
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.encoding import MOST_STATE_BYTES
from weft_router.providers.provider import ProviderError, Remedy

Call = event_pb2.ToolCallDelta
MANY = 10**9


def said(*deltas: event_pb2.Delta) -> AnswerSoFar:
    transcript = AnswerSoFar()
    for delta in deltas:
        transcript.add(delta)
    return transcript


def test_what_fits_is_passed_on_as_it_is() -> None:
    delta = event_pb2.Delta(text="x" * 60, reasoning="y" * 40, token_count=3)
    assert AnswerLimit(100, MANY).fitting(said(), delta) is delta


def test_what_is_too_long_is_cut_between_characters_and_counts_what_was_said_before() -> None:
    before = said(event_pb2.Delta(text="ab", reasoning="cd"))
    fitting = AnswerLimit(11, MANY).fitting(before, event_pb2.Delta(reasoning="ef", text="äöü", token_count=2))
    assert fitting == event_pb2.Delta(reasoning="ef", text="äö", token_count=2)


def test_an_answer_that_is_past_a_limit_that_was_lowered_grows_no_more() -> None:
    before = said(event_pb2.Delta(text="x" * 200))
    assert AnswerLimit(100, MANY).fitting(before, event_pb2.Delta(text="abc", reasoning="def")) == event_pb2.Delta()


def test_as_much_as_is_kept_with_a_call_fits() -> None:
    delta = event_pb2.Delta(tool_calls=[Call(id="i", name="n", provider_state="s" * MOST_STATE_BYTES)])
    assert AnswerLimit(2 * MOST_STATE_BYTES, MANY).fitting(said(), delta) is delta


def test_arguments_names_and_states_of_calls_count() -> None:
    piece = Call(index=0, id="i" * 20, name="n" * 20, provider_state="s" * 20, arguments_json="a" * 20)
    fitting = AnswerLimit(150, MANY).fitting(
        said(event_pb2.Delta(tool_calls=[piece])), event_pb2.Delta(tool_calls=[piece])
    )
    assert not fitting.tool_calls


@pytest.mark.parametrize(
    "delta",
    [
        event_pb2.Delta(tool_calls=[Call(index=number) for number in range(MOST_CALLS + 1)]),
        event_pb2.Delta(tool_calls=[Call(id="x" * 600_000)]),
        event_pb2.Delta(tool_calls=[Call(provider_state="x" * 600_000)]),
    ],
    ids=["calls", "id", "state"],
)
def test_calls_that_no_answer_has_fail_it(delta: event_pb2.Delta) -> None:
    with pytest.raises(ProviderError) as failure:
        AnswerLimit(MANY, MANY).fitting(said(), delta)
    assert failure.value.reason == error_pb2.ERROR_REASON_ANSWER_TOO_LARGE


def test_an_answer_ends_as_length_where_its_tokens_cannot_come_to_more() -> None:
    limit = AnswerLimit(MANY, 10)
    delta = event_pb2.Delta(text="x" * (10 * BYTES_A_TOKEN + BYTES_BESIDE_TOKENS + 1))
    assert len(limit.fitting(said(), delta).text) == 10 * BYTES_A_TOKEN + BYTES_BESIDE_TOKENS
    assert limit.end().finish_reason == chat_pb2.FINISH_REASON_LENGTH


def test_an_answer_that_only_the_mesh_has_no_room_for_fails_and_is_asked_of_nobody_else() -> None:
    with pytest.raises(ProviderError) as failure:
        AnswerLimit(100, MANY).end()
    assert failure.value.reason == error_pb2.ERROR_REASON_ANSWER_TOO_LARGE
    assert failure.value.remedy is Remedy.NOTHING


def test_gathering_the_arguments_of_a_call_costs_no_more_than_their_length() -> None:
    transcript = AnswerSoFar()
    for number in range(200_000):
        transcript.add(event_pb2.Delta(tool_calls=[Call(index=0, name="f", arguments_json=str(number % 10))]))
    [call] = transcript.tool_calls
    assert len(call.arguments_json) == 200_000
