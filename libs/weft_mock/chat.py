"""A chat completion request, and the answer that follows from it."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weft_mock.script import Script

_ONSETS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z")
_RIMES = ("ab", "ado", "an", "aru", "eb", "elo", "en", "era", "im", "iso", "ir", "ok", "olu", "on", "um", "una")
_WORDS = tuple(onset + rime for onset in _ONSETS for rime in _RIMES)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A client's request. `script_query` is the header `x-mock-script`, or else what followed a "?" in the model's
    name.
    """

    model: str
    script_query: str
    stream: bool
    include_usage: bool
    body: dict[str, Any]
    headers: dict[str, str]

    @classmethod
    def parse(cls, body: bytes, headers: dict[str, str]) -> "ChatRequest":
        """Parses a request. Raises ValueError when the body is not a chat completion request."""
        asked = json.loads(body)
        if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
            raise ValueError("the body must be a JSON object with a list of messages")  # noqa: TRY004 - bad input
        model, _, query = str(asked.get("model", "mock")).partition("?")
        return cls(
            model=model,
            script_query=headers.get("x-mock-script", query),
            stream=bool(asked.get("stream")),
            include_usage=bool((asked.get("stream_options") or {}).get("include_usage")),
            body=asked,
            headers=headers,
        )

    @property
    def wants_json(self) -> bool:
        """Whether the request asks for JSON."""
        return (self.body.get("response_format") or {}).get("type") in {"json_object", "json_schema"}

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation as it was sent."""
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages


def answer_to(prompt: str, tokens: int, *, as_json: bool = False) -> str:
    """Returns the mock's answer to a conversation of this one question: always the same, so tests can compare it."""
    return "".join(answer_tokens(Script(tokens=tokens), [{"role": "user", "content": prompt}], as_json=as_json))


def answer_tokens(script: Script, messages: Sequence[dict[str, Any]], *, as_json: bool = False) -> list[str]:
    """Returns the answer's tokens: the script's text, or words that depend only on the messages.

    `as_json` wraps the words as a JSON object.
    """
    if script.text:
        return re.findall(r"\s*\S+|\s+$", script.text)
    if script.tool_calls:
        return []
    said = json.dumps(messages, sort_keys=True).encode()
    drawn = hashlib.shake_128(said).digest(script.tokens)
    words = [" " + _WORDS[byte] if at else _WORDS[byte] for at, byte in enumerate(drawn)]
    if as_json and words:
        words[0] = '{"answer": "' + words[0]
        words[-1] += '"}'
    return words


def usage(messages: Sequence[dict[str, Any]], completion_tokens: int) -> dict[str, int]:
    """Returns token counts in the provider's own form; each word of the prompt counts as a token."""
    prompt_tokens = sum(len(str(message.get("content", "")).split()) for message in messages)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
