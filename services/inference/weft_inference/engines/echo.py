"""Repeats the last user message at a set pace, for tests and benches in which a model would only be noise."""

import asyncio
import re
from collections.abc import AsyncGenerator

from weft_inference.engines.config import EngineConfig
from weft_inference.engines.engine import (
    Capability,
    Description,
    EngineEntry,
    EngineRequest,
    Finish,
    Piece,
)

_CAPABILITIES: frozenset[Capability] = frozenset({"prefix"})
_CONTEXT_WINDOW = 1_000_000


def tokens_of(text: str) -> list[str]:
    """Returns the words of a text, each with the space before it: these are this engine's tokens."""
    return re.findall(r"\s*\S+|\s+$", text)


def answer_to(generation: EngineRequest) -> tuple[list[str], bool]:
    """Returns the tokens of the answer, and whether `max_tokens` cut them off."""
    said = next((turn.text for turn in reversed(generation.turns) if turn.role == "user"), "")
    text = said.removeprefix(generation.prefix)
    ends = [place for stop in generation.sampling.stop if (place := text.find(stop)) >= 0]
    tokens = tokens_of(text[: min(ends)] if ends else text)
    limit = generation.sampling.max_tokens
    return tokens[:limit], limit is not None and len(tokens) > limit


class Echo:
    """Waits `first_token_s`, then writes `tokens_per_s`; 0 means as fast as it is read."""

    def __init__(self, first_token_s: float = 0.0, tokens_per_s: float = 0.0, model: str = "echo") -> None:
        self._first_token_s = first_token_s
        self._tokens_per_s = tokens_per_s
        self._model = model

    def describe(self) -> Description:
        return Description("echo", self._model, _CONTEXT_WINDOW, _CAPABILITIES)

    async def start(self) -> None:
        """Does nothing: there is nothing to load."""

    async def check(self) -> None:
        """Does nothing: nothing can break."""

    async def close(self) -> None:
        """Does nothing: there is nothing to release."""

    async def generate(self, generation: EngineRequest) -> AsyncGenerator[Piece | Finish, None]:
        tokens, is_cut = answer_to(generation)
        loop = asyncio.get_running_loop()
        begin = loop.time() + self._first_token_s
        said = 0
        while said < len(tokens):
            await asyncio.sleep(max(0.0, self._due(begin, said) - loop.time()))
            # All tokens due by now leave as one piece, so that a fast pace does not depend on the timer's resolution.
            ready = self._ready(loop.time() - begin, len(tokens))
            due = max(said + 1, ready)
            yield Piece("".join(tokens[said:due]), due - said)
            said = due
        read = sum(len(tokens_of(turn.text)) for turn in generation.turns)
        yield Finish("length" if is_cut else "stop", read, len(tokens))

    def _due(self, begin: float, token: int) -> float:
        return begin + (token / self._tokens_per_s if self._tokens_per_s else 0.0)

    def _ready(self, elapsed: float, total: int) -> int:
        if not self._tokens_per_s:
            return total
        return min(total, int(elapsed * self._tokens_per_s) + 1)


def _built(config: EngineConfig) -> Echo:
    return Echo(config.echo_first_token_ms / 1000, config.echo_tokens_per_s, config.model or "echo")


ENTRY = EngineEntry(_built, extra="inference")
