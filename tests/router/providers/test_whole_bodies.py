"""An answer that is not streamed is read all the same."""

import json
from collections.abc import Callable

import pytest
from tests.router.events import (
    STOP,
    choice,
)
from tests.router.recorded import read

from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.provider import ProviderError
from weft_router.providers.stream_reader import Answer

# An answer that is not streamed: https://github.com/microsoft/foundry-dev-tools/issues/195
MESSAGE = {"role": "assistant", "content": "Four", "reasoning_content": "Hm."}
COMPLETION = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3},
}
WHOLE = {
    "openai": (ChatAnswer, COMPLETION),
    "anthropic": (
        MessagesAnswer,
        {
            "type": "message",
            "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Four"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 3},
        },
    ),
    "gemini": (
        GenerateContentAnswer,
        [
            {"candidates": [{"content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "Fo"}]}}]},
            {
                "candidates": [{"content": {"parts": [{"text": "ur"}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3},
            },
        ],
    ),
    "responses": (
        ResponsesAnswer,
        {
            "object": "response",
            "status": "completed",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
                {"type": "message", "content": [{"type": "output_text", "text": "Four"}]},
            ],
            "usage": {"input_tokens": 9, "output_tokens": 3},
        },
    ),
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("reader", "answer"), WHOLE.values(), ids=WHOLE)
def test_an_answer_that_is_not_streamed_is_read(
    reader: Callable[[], Answer], answer: object, indent: int | None, size: int
) -> None:
    content = json.dumps(answer, indent=indent).encode()
    found = read(reader(), (content[at : at + size] for at in range(0, len(content), size)))

    assert (found.said.text, found.said.reasoning) == ("Four", "Hm.")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (9, 3)


@pytest.mark.parametrize("behind", [b"", b"\n", b"data: [DONE]\n\n", b"\n\ndata: [DONE]"])
def test_an_end_marker_may_follow_an_answer_that_is_not_streamed(behind: bytes) -> None:
    """https://github.com/decolua/9router/issues/3492"""
    assert read(ChatAnswer(), [json.dumps(COMPLETION).encode() + behind]).said.text == "Four"


def test_chunks_may_come_a_line_each() -> None:
    lines = [choice({"content": "Fo"}), choice({"content": "ur"}), STOP]
    assert read(ChatAnswer(), [b"\n".join(json.dumps(each).encode() for each in lines)]).said.text == "Four"


@pytest.mark.parametrize("content", [b"", b" \n", b'{"choices": [', b'[{"a": 1},', b"Bad gateway", b"[" * 100_000])
def test_what_is_neither_events_nor_json_is_a_failure(content: bytes) -> None:
    with pytest.raises(ProviderError):
        read(ChatAnswer(), [content])


def test_an_answer_that_is_not_streamed_is_read_only_so_far() -> None:
    with pytest.raises(ProviderError, match="more than"):
        read(ChatAnswer(), [b'{"a": "' + b"x" * 1024 * 1024] * 3)
    with pytest.raises(ProviderError, match="values"):
        read(ChatAnswer(), [b"{}" * 60_000])
