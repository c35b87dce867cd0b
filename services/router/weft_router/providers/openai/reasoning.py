"""Reasoning and signatures that servers of OpenAI's chat completions expect back with their calls.

- `reasoning_content`: api-docs.deepseek.com/guides/thinking_mode, platform.moonshot.ai/docs (Kimi K2 Thinking),
  docs.z.ai/guides/capabilities/thinking-mode; bytedance/deer-flow#3043, charmbracelet/crush#2696
- `reasoning`: the name at vLLM, Groq and OpenRouter
- `reasoning_details`: openrouter.ai/docs/use-cases/reasoning-tokens, platform.minimax.io; agno-agi/agno#5802
- `extra_content` of a call: ai.google.dev/gemini-api/docs/thought-signatures; langroid/langroid#969

None is sent to another server or model: Groq and Cerebras refuse unknown fields (janhq/jan#8136,
Kilo-Org/kilocode#10375).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from weft.job.v1 import event_pb2
from weft_router.providers import encoding

STATE_NAME = "openai"
"""The name of this format's part of a call's `provider_state`."""

_TEXTS = ("reasoning_content", "reasoning")
_DETAILS = "reasoning_details"
_OF_A_CALL = "extra_content"
_GROWING = ("text", "summary", "data")
"""The fields of a detail that come in pieces."""
_TELLS_ALL = "MiniMax"
"""The format of details in which each piece repeats all of the text so far."""


class Thoughts:
    """Gathers these from the pieces of one answer; if they are more than can be kept, none is kept."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._details: list[dict[str, Any]] = []
        self._pieces: list[dict[str, list[str]]] = []
        """The pieces of each detail's texts."""
        self._of_calls: dict[int, Any] = {}
        self._room = encoding.Room()

    def add(self, delta: Mapping[str, Any]) -> None:
        """Takes in the reasoning in a message's piece.

        If a server sends it under two names, one of them is kept.
        """
        name = next((name for name in _TEXTS if delta.get(name)), None)
        if name and isinstance(delta[name], str) and self._room.take(delta[name]):
            self._texts.setdefault(name, []).append(delta[name])
        details = delta.get(_DETAILS)
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict) and self._room.was_enough:
                self._detail(detail)

    def add_call(self, index: int, call: Mapping[str, Any]) -> None:
        """Takes in the signature in a call's piece."""
        if call.get(_OF_A_CALL) and self._room.take(call[_OF_A_CALL]):
            self._of_calls[index] = call[_OF_A_CALL]

    def states(self, calls: int, source: str) -> Iterator[event_pb2.ToolCallDelta]:
        """Yields the state of each of this many calls; only the first has the reasoning."""
        for index in range(calls) if self._room.was_enough else ():
            kept = {_OF_A_CALL: self._of_calls[index]} if index in self._of_calls else {}
            if state := (self._reasoning() if index == 0 else {}) | kept:
                yield event_pb2.ToolCallDelta(index=index, provider_state=encoding.kept(STATE_NAME, state, source))

    def _reasoning(self) -> dict[str, Any]:
        if self._details:
            details = zip(self._details, self._pieces, strict=True)
            return {_DETAILS: [one | {name: "".join(texts[name]) for name in texts} for one, texts in details]}
        name = next((name for name in _TEXTS if name in self._texts), None)
        return {name: "".join(self._texts[name])} if name else {}

    def _detail(self, detail: dict[str, Any]) -> None:
        """Takes in a piece of the last detail, or a new one: signatures cover all of a detail, not a part."""
        if not self._goes_on(detail):
            self._details.append({})
            self._pieces.append({})
        grown, pieces = self._details[-1], self._pieces[-1]
        tells_all = str(detail.get("format")).startswith(_TELLS_ALL)
        for name, value in detail.items():
            if name in _GROWING and isinstance(value, str):
                self._grow(pieces.setdefault(name, []), value, tells_all=tells_all)
            elif (name not in grown or value not in (None, grown[name])) and self._room.take(name, value):
                grown[name] = value

    def _grow(self, pieces: list[str], text: str, *, tells_all: bool) -> None:
        if tells_all and len(pieces) == 1 and text.startswith(pieces[0]):
            if self._room.take(text[len(pieces[0]) :]):
                pieces[0] = text
        elif text and self._room.take(text):
            pieces.append(text)

    def _goes_on(self, detail: Mapping[str, Any]) -> bool:
        if not self._details or detail.get("type") == "reasoning.encrypted":
            return False
        last = self._details[-1]
        return (last.get("type"), last.get("index")) == (detail.get("type"), detail.get("index"))


def parted(state: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the message's part of a state, and the call's."""
    if not isinstance(state, dict):
        return {}, {}
    reasoning = {name: state[name] for name in (*_TEXTS, _DETAILS) if state.get(name)}
    return reasoning, {name: state[name] for name in (_OF_A_CALL,) if state.get(name)}
