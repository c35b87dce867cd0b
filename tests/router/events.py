"""Events of the four formats, as tests have providers send them."""

import json
from collections.abc import Callable
from typing import Any

from tests.router.recorded import Whole, read

from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.stream_reader import Answer

DONE = "[DONE]"


def body(*events: object) -> bytes:
    """Return events as they are sent; text is sent as it stands."""
    data = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return "".join(f"data: {each}\n\n" for each in data).encode()


def choice(delta: object, finish_reason: str | None = None, **fields: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason} | fields]}


STOP = choice({}, "stop")


def chat(*events: object) -> Whole:
    return read(ChatAnswer(), [body(*events)])


def block(text: str) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
    ]


MESSAGE_END = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]


def part(text: str, **fields: object) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"parts": [{"text": text}]}} | fields]}


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": 0, "delta": text}


COMPLETED = {"type": "response.completed", "response": {"status": "completed"}}

FORMATS: dict[str, tuple[Callable[[], Answer], Callable[[str], list[dict[str, Any]]], list[Any]]] = {
    "openai": (ChatAnswer, lambda text: [choice({"content": text})], [STOP, DONE]),
    "anthropic": (MessagesAnswer, block, MESSAGE_END),
    "gemini": (GenerateContentAnswer, lambda text: [part(text)], [part("", finishReason="STOP")]),
    "responses": (ResponsesAnswer, lambda text: [delta(text)], [COMPLETED]),
}
"""What reads each format, its events that say a text, and those that end it."""


def said(kind: str, *between: object) -> str:
    """Return the text of an answer that says "Hi" before these events and " you" after them."""
    reader, says, ends = FORMATS[kind]
    return read(reader(), [body(*says("Hi"), *between, *says(" you"), *ends)]).said.text
