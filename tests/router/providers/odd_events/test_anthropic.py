"""Events of messages that are not as Anthropic describes them, and still say what is meant."""

from typing import Any

import pytest
from tests.router.events import DONE, MESSAGE_END, block, body, said
from tests.router.recorded import read

from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.provider import ProviderError

ANTHROPIC_EVENTS: dict[str, list[dict[str, Any]]] = {
    "nulls": [
        {"type": "message_start", "message": None},
        {"type": "content_block_start", "index": None, "content_block": {"type": "text", "text": None}},
        {"type": "content_block_delta", "index": None, "delta": {"type": "text_delta", "text": None}},
        {"type": "message_delta", "delta": None, "usage": None},
    ],
    "unknown blocks": [
        {"type": "content_block_start", "index": 5, "content_block": {"type": "web_search_tool_result", "content": []}},
        {"type": "content_block_delta", "index": 5, "delta": {"type": "citations_delta", "citation": {}}},
        {"type": "content_block_delta", "index": 6, "delta": {"type": "compaction_delta", "content": "x"}},
    ],
    "no message": [{"type": "message_start"}],
}


@pytest.mark.parametrize("events", ANTHROPIC_EVENTS.values(), ids=ANTHROPIC_EVENTS)
def test_a_message_is_read_past_what_it_lacks(events: list[dict[str, Any]]) -> None:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming; https://github.com/earendil-works/pi/issues/6567"""
    assert said("anthropic", *events) == "Hi you"


ANTHROPIC_CALL = {
    "type": "content_block_start",
    "index": 1,
    "content_block": {"type": "tool_use", "id": "t", "name": "f"},
}
ANTHROPIC_CALLED = [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]


def json_piece(text: str, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": text}} | fields


def test_arguments_without_an_index_belong_to_the_call_that_is_told() -> None:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming, with an index that bridges leave out."""
    [call] = read(
        MessagesAnswer(), [body(ANTHROPIC_CALL, json_piece('{"k":'), json_piece("1}", index=None), *ANTHROPIC_CALLED)]
    ).said.tool_calls
    assert call.arguments_json == '{"k":1}'


def test_the_provider_may_call_tools_of_its_own_beside_ours() -> None:
    """microsoft/agent-framework#5050, langchain-ai/langchainjs#10013: all under one index, or under their own."""
    own = {"type": "content_block_start", "index": 1, "content_block": {"type": "server_tool_use", "id": "s"}}
    events = [ANTHROPIC_CALL, json_piece('{"k":1}', index=1), own, json_piece('{"q":2}', index=1)]
    [call] = read(MessagesAnswer(), [body(*events, *ANTHROPIC_CALLED)]).said.tool_calls
    assert call.arguments_json == '{"k":1}'


def test_arguments_of_no_call_are_not_lost() -> None:
    with pytest.raises(ProviderError, match="had not begun"):
        read(MessagesAnswer(), [body(json_piece('{"k":1}', index=1), ANTHROPIC_CALL, *ANTHROPIC_CALLED)])


def test_openais_end_marker_may_end_a_message() -> None:
    assert read(MessagesAnswer(), [body(*block("Hi"), MESSAGE_END[0], DONE)]).said.text == "Hi"
    with pytest.raises(ProviderError):
        read(MessagesAnswer(), [body(*block("Hi"), DONE)])


def test_thinking_may_grow_before_it_began() -> None:
    events = [{"type": "content_block_delta", "index": 3, "delta": {"type": "thinking_delta", "thinking": "Hm."}}]
    found = read(MessagesAnswer(), [body(*events, *block("Four"), *MESSAGE_END)])

    assert (found.said.text, found.said.reasoning) == ("Four", "Hm.")
