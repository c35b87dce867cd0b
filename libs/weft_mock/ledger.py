"""What the mock was asked, and which streams were left: for tests in other processes."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

PROMPT_CHARACTERS = 200
_KEPT_PROMPTS = 10_000
_KEPT_ABORTS = 1000


@dataclass(frozen=True, slots=True)
class LeftStream:
    """An answer that its client did not wait for."""

    prompt: str
    after_s: float  # since the request was read
    unix_s: float  # when the client was gone


class Ledger:
    """Counts requests by prompt and keeps the latest aborts; of both, the oldest go first when there are too many."""

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
    """Returns the last message's text, as far as the ledger keeps it."""
    return str(messages[-1].get("content") or "")[:PROMPT_CHARACTERS] if messages else ""
