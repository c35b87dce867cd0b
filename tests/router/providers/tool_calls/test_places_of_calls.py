"""Calls may stand elsewhere than where they should: in an older field, or only in the message at the end."""

import json
from typing import Any

import pytest
from tests.router.providers.tool_calls.pieces import DOOR, LOOKUP, called, joined, piece

from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.openai.chat_answer import ChatAnswer


def test_the_call_of_a_function_from_before_there_were_tools_is_one() -> None:
    """platform.openai.com/docs/api-reference/chat/streaming: `function_call`, deprecated."""
    pieces = [{"name": "lookup", "arguments": ""}, {"arguments": '{"k": '}, {"arguments": '"door"}'}]
    assert called(joined([{"function_call": one} for one in pieces])) == [LOOKUP]


def test_a_list_of_one_call_may_be_the_call_itself() -> None:
    assert called(joined([{"tool_calls": piece(DOOR, name="lookup")}])) == [LOOKUP]


def test_calls_that_stand_only_in_the_message_at_the_end_are_read() -> None:
    """Proxies of answers that were not streamed end with one chunk, that of platform.openai.com's chat completion."""
    answer = ChatAnswer()
    choice = {"delta": {}, "message": {"tool_calls": [piece(DOOR, name="lookup")]}, "finish_reason": "tool_calls"}
    answer.read(json.dumps({"choices": [choice]}))
    said = answer.take()
    assert said is not None
    assert [(call.name, call.arguments_json) for call in said.tool_calls] == [LOOKUP]


@pytest.mark.parametrize("ends_before", [True, False])
@pytest.mark.parametrize("begun", [[], [piece(index=0, id="a", name="lookup")], [piece("{}", index=0, name="lookup")]])
def test_what_was_not_told_of_calls_stands_in_the_message_at_the_end(
    begun: list[dict[str, Any]], *, ends_before: bool
) -> None:
    """BerriAI/litellm#12616 tells of such streams: empty deltas, and all of it in the message that ends them."""
    message = {"content": "Hm.", "tool_calls": [piece(DOOR, id="a", name="lookup")]}
    end = {"delta": {}, "finish_reason": "tool_calls"}
    last = [end, {"message": message}] if ends_before else [end | {"message": message}]
    answer, said = ChatAnswer(), AnswerSoFar()
    for choice in ({"delta": {"content": "Hm."}}, {"delta": {"tool_calls": begun}}, *last):
        answer.read(json.dumps({"choices": [choice]}))
    answer.finish()
    news = answer.take()
    assert news is not None
    said.add(news)

    assert (said.text, called(said.tool_calls)) == ("Hm.", [LOOKUP])
