"""Whether an answer that ended is whole: its finish reason, held against what came."""

import pytest

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.validation.completeness import is_silent, judged

STOP, LENGTH = chat_pb2.FINISH_REASON_STOP, chat_pb2.FINISH_REASON_LENGTH
CALLS, FILTER = chat_pb2.FINISH_REASON_TOOL_CALLS, chat_pb2.FINISH_REASON_CONTENT_FILTER
UNKNOWN = chat_pb2.FINISH_REASON_UNSPECIFIED

PLAIN = job_pb2.GenerationRequest()
WITH_TOOLS = job_pb2.GenerationRequest(tools=[chat_pb2.Tool(name="f")])


def said(text: str = "", reasoning: str = "", *calls: event_pb2.ToolCallDelta) -> AnswerSoFar:
    transcript = AnswerSoFar()
    transcript.add(event_pb2.Delta(text=text, reasoning=reasoning, tool_calls=calls))
    return transcript


def call(arguments: str, name: str = "f") -> AnswerSoFar:
    return said("", "", event_pb2.ToolCallDelta(id="c", name=name, arguments_json=arguments))


def end(reason: chat_pb2.FinishReason.ValueType, word: str = "") -> inference_pb2.Finished:
    usage = chat_pb2.Usage(completion_tokens=3)
    return inference_pb2.Finished(finish_reason=reason, raw_finish_reason=word, usage=usage)


@pytest.mark.parametrize("word", ["abort", "MALFORMED_FUNCTION_CALL", "insufficient_system_resource"])
@pytest.mark.parametrize("what", [said("Half an ans"), said(), call("{}")])
def test_an_answer_that_its_provider_gave_up_is_tried_again_whatever_came(word: str, what: AnswerSoFar) -> None:
    with pytest.raises(ProviderError, match=word) as failure:
        judged(end(UNKNOWN, word), what, PLAIN)
    assert failure.value.remedy is Remedy.ANOTHER_TRY


@pytest.mark.parametrize("word", ["pause_turn", "<|im_end|>", ""])
@pytest.mark.parametrize("what", [said("Whole."), call('{"a": 1}')])
def test_an_end_that_is_not_known_is_told_as_such_where_something_came(word: str, what: AnswerSoFar) -> None:
    assert judged(end(UNKNOWN, word), what, PLAIN) == end(UNKNOWN, word)


@pytest.mark.parametrize("what", [said(), said(" \n"), said(reasoning="Hm.")])
def test_an_end_that_is_not_known_after_nothing_usable_is_tried_again(what: AnswerSoFar) -> None:
    with pytest.raises(ProviderError, match="pause_turn") as failure:
        judged(end(UNKNOWN, "pause_turn"), what, PLAIN)
    assert failure.value.remedy is Remedy.ANOTHER_TRY


def test_calls_that_are_announced_and_do_not_come_are_lost() -> None:
    """vllm-project/vllm#53255, labring/FastGPT#7517: `tool_calls`, with an empty list of them."""
    with pytest.raises(ProviderError, match="tool_calls"):
        judged(end(CALLS, "tool_calls"), said("Let me look that up."), WITH_TOOLS)


def test_calls_that_are_announced_where_there_are_no_tools_are_a_wrong_word() -> None:
    """Proxies that have a schema filled in by way of a tool leave its finish reason in place."""
    withheld = job_pb2.GenerationRequest(tools=WITH_TOOLS.tools, tool_choice=chat_pb2.TOOL_CHOICE_NONE)
    for request in (PLAIN, withheld):
        assert judged(end(CALLS, "tool_calls"), said('{"a": 1}'), request) == end(UNKNOWN, "tool_calls")
    with pytest.raises(ProviderError):
        judged(end(CALLS, "tool_calls"), said(), PLAIN)


@pytest.mark.parametrize("reason", [STOP, CALLS, FILTER, UNKNOWN])
@pytest.mark.parametrize(
    "what",
    [
        call("{}", name=""),
        call("{}", name=" "),
        call('{"a": '),
        call('{"a": 1}{"a": 2}'),
        call("{}<|eot_id|>"),
        call('{"a": NaN}'),
    ],
)
def test_a_call_without_a_name_or_with_broken_arguments_is_never_an_answer(
    reason: chat_pb2.FinishReason.ValueType, what: AnswerSoFar
) -> None:
    with pytest.raises(ProviderError, match="call") as failure:
        judged(end(reason), what, WITH_TOOLS)
    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN
    assert failure.value.remedy is Remedy.ANOTHER_TRY


@pytest.mark.parametrize("what", [call('{"a": '), call("")])
def test_a_call_that_ran_out_of_tokens_is_not_tried_again(what: AnswerSoFar) -> None:
    with pytest.raises(ProviderError, match="max_tokens") as failure:
        judged(end(LENGTH), what, WITH_TOOLS)
    assert failure.value.remedy is Remedy.NOTHING


@pytest.mark.parametrize("arguments", ["", "{}", "[]", "null", '{"a": 1} \n'])
def test_whole_calls_are_handed_out_also_to_tools_that_were_not_offered(arguments: str) -> None:
    what = call(arguments, name="made_up")
    assert judged(end(CALLS), what, WITH_TOOLS) == end(CALLS)


def test_whole_calls_before_the_tokens_ran_out_are_handed_out_as_cut_off() -> None:
    assert judged(end(LENGTH), call("{}"), WITH_TOOLS) == end(LENGTH)


def test_silence_in_good_order_is_told_from_what_was_cut_off_or_withheld() -> None:
    """docs.claude.com/en/api/handling-stop-reasons: empty answers with end_turn, after results of tools."""
    assert is_silent(end(STOP, "end_turn"), said(reasoning="Nothing to add."))
    assert not is_silent(end(LENGTH), said())
    assert not is_silent(end(FILTER), said())
    assert not is_silent(end(STOP), said("."))
