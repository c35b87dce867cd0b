"""What the mock was asked, and which answers were abandoned: for tests in other processes."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

PROMPT_CHARACTERS = 200
_KEPT_PROMPTS = 10_000
_KEPT_ABORTS = 1000


@dataclass(frozen=True, slots=True)
class LeftStream:
    """An answer whose client left before it was complete."""

    prompt: str
    after_s: float  # since the request was read
    unix_s: float  # when the client left


class Ledger:
    """Counts requests by prompt and lists aborts; when there are too many of either, the oldest are dropped."""

    def __init__(self) -> None:
        self.prompts: dict[str, int] = {}
        self.left: deque[LeftStream] = deque(maxlen=_KEPT_ABORTS)

    def asked(self, messages: list[dict[str, Any]]) -> None:
        """Counts a request."""
        prompt = prompt_of(messages)
        if prompt not in self.prompts and len(self.prompts) == _KEPT_PROMPTS:
            del self.prompts[next(iter(self.prompts))]
        self.prompts[prompt] = self.prompts.get(prompt, 0) + 1

    def aborted(self, messages: list[dict[str, Any]], after_s: float) -> None:
        """Notes that a client has just left."""
        self.left.append(LeftStream(prompt_of(messages), after_s, time.time()))


def prompt_of(messages: list[dict[str, Any]]) -> str:
    """Returns the last message's text, cut to what the ledger keeps."""
    return str(messages[-1].get("content") or "")[:PROMPT_CHARACTERS] if messages else ""
