"""What the mock does with one request: what it answers, how fast, and how it misbehaves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl


class Fault(StrEnum):
    """A way of misbehaving. Those marked "after `at_token`" first send that many tokens."""

    NONE = "none"
    HANG_BEFORE_HEADERS = "hang-before-headers"
    HANG_AFTER_HEADERS = "hang-after-headers"
    HANG = "hang"  # after `at_token`
    RESET = "reset"  # after `at_token` and half of an event: a TCP reset
    CLOSE = "close"  # after `at_token`: the connection closes inside the chunked body
    NO_END = "no-end"  # after `at_token`: the body ends properly, without finish reason or [DONE]
    ERROR_EVENT = "error-event"  # after `at_token`: an error object inside the 200 stream
    BAD_JSON = "bad-json"  # after `at_token`: an event that is not JSON
    INVALID_UTF8 = "invalid-utf8"  # after `at_token`: an event that is not UTF-8
    HUGE_EVENT = "huge-event"  # after `at_token`: one event of `huge_bytes`
    NO_DONE = "no-done"  # a finish reason and the usage, then the end of the body without [DONE]
    TWO_ENDS = "two-ends"  # a finish reason and [DONE], twice
    TOKENS_AFTER_END = "tokens-after-end"  # one more token after [DONE]
    HTML = "html"  # an HTML page, with the script's status
    WRONG_CONTENT_TYPE = "wrong-content-type"  # the right body, labelled text/plain


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call in the answer."""

    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Script:
    """Behaviour for one request; the default answers at once and correctly."""

    first_token_s: float = 0.0
    tokens: int = 32
    tokens_per_second: float = 0.0  # 0: as fast as possible
    text: str = ""  # empty: `tokens` words derived from the prompt
    stamp: bool = False  # in place of text: `tokens` timestamps in ns since 1970, each taken when its token is sent
    tool_calls: tuple[ToolCall, ...] = ()  # in place of text
    finish_reason: str = "stop"
    usage: bool = True
    status: int = 200
    retry_after: str = ""  # the header's value, verbatim; empty sends none
    fault: Fault = Fault.NONE
    at_token: int = 2
    huge_bytes: int = 4 << 20
    piece_bytes: int = 0  # trickle: send the stream in pieces of this size, wherever that cuts it
    piece_s: float = 0.001  # pause after each piece


def _flag(text: str) -> bool:
    return text not in {"0", "false"}


def _tool_call(text: str) -> tuple[ToolCall, ...]:
    name, _, arguments = text.partition(":")
    return (ToolCall(name, arguments or "{}"),)


_FIELDS: dict[str, Callable[[str], Any]] = {
    "first_token_s": float,
    "tokens": int,
    "tokens_per_second": float,
    "text": str,
    "stamp": _flag,
    "tool_calls": _tool_call,
    "finish_reason": str,
    "usage": _flag,
    "status": int,
    "retry_after": str,
    "fault": Fault,
    "at_token": int,
    "huge_bytes": int,
    "piece_bytes": int,
    "piece_s": float,
}


def rewritten(script: Script, query: str) -> Script:
    """Returns the script with fields changed by a query string, such as `status=429&retry_after=2`.

    Raises:
        ValueError: a field is unknown, or its value is invalid.
    """
    changes: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _FIELDS:
            raise ValueError(f"unknown script field {name!r}; known: {', '.join(_FIELDS)}")
        changes[name] = _FIELDS[name](value)
    return replace(script, **changes)
