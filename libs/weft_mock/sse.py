"""The bytes of a chat completion: server-sent events while it streams, one JSON object when it does not."""

import json
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from weft_mock.script import ToolCall

DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"the mock was told to fail here","type":"server_error","code":"mock_error"}}\n\n'
NOT_JSON = b'data: {"choices":[{"delta":{"content":\n\n'
_CREATED = 1_700_000_000  # fixed, so that equal requests get equal answers
_ID = "chatcmpl-mock"


@cache
def _frame(model: str) -> tuple[bytes, bytes]:
    """Returns what comes before and after a token's JSON string in its event: the same for every token of a model."""
    before, after = _event(model, [{"index": 0, "delta": {"content": "\0"}, "finish_reason": None}]).split(b'"\\u0000"')
    return before, after


def _event(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": model, "choices": choices}
    return b"data: " + json.dumps(chunk | more, separators=(",", ":")).encode() + b"\n\n"


@cache
def role(model: str) -> bytes:
    """Returns the event that opens an answer."""
    return _event(model, [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])


@lru_cache(4096)
def _quoted(token: str) -> bytes:
    return json.dumps(token).encode()


def tokens(model: str, texts: Sequence[str]) -> list[bytes]:
    """Returns one event per token."""
    before, after = _frame(model)
    return [before + _quoted(text) + after for text in texts]


def not_utf8(model: str) -> bytes:
    """Returns a token's event with bytes that are not UTF-8."""
    before, after = _frame(model)
    return before + b'"\xff\xfe"' + after


def tool_calls(model: str, calls: Sequence[ToolCall]) -> list[bytes]:
    """Returns two events per call: its name with half of its arguments, then the other half."""
    deltas: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        half = len(call.arguments_json) // 2
        opening = {"name": call.name, "arguments": call.arguments_json[:half]}
        deltas += [
            {"index": index, "id": f"call_{index}", "type": "function", "function": opening},
            {"index": index, "function": {"arguments": call.arguments_json[half:]}},
        ]
    return [_event(model, [{"index": 0, "delta": {"tool_calls": [delta]}, "finish_reason": None}]) for delta in deltas]


@cache
def finish(model: str, reason: str) -> bytes:
    """Returns the event that says why the answer ends."""
    return _event(model, [{"index": 0, "delta": {}, "finish_reason": reason}])


def usage(model: str, counts: dict[str, int]) -> bytes:
    """Returns the event with the answer's token counts."""
    return _event(model, [], usage=counts)


def completion(model: str, text: str, calls: Sequence[ToolCall], reason: str, counts: dict[str, int] | None) -> bytes:
    """Returns the whole answer as one JSON object."""
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{i}", "type": "function", "function": {"name": c.name, "arguments": c.arguments_json}}
            for i, c in enumerate(calls)
        ]
    whole: dict[str, Any] = {
        "id": _ID,
        "object": "chat.completion",
        "created": _CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }
    if counts is not None:
        whole["usage"] = counts
    return json.dumps(whole).encode()
