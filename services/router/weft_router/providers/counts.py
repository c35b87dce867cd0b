"""Token counts, read from the many names and forms in which providers report them.

A value that cannot be a count is ignored: one that is not a number, is negative, or is too large. So is a 0 among other
counts, since many servers send zeros for what they do not know, or not yet. A part is never more than its whole.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from weft.common.v1 import chat_pb2

_MOST = 10**12
_MOST_DIGITS = 32
# No model writes more in one answer. If a total exceeds its parts by more, that is a mistake and not reasoning.
_LONGEST_THOUGHT = 128 * 1024


def count(value: Any) -> int | None:
    """Returns a count that may be written as a fraction or as text; None if it cannot be one."""
    if isinstance(value, str) and len(value) <= _MOST_DIGITS:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A number in JSON may have more digits than a float holds.
    if not 0 <= value <= _MOST:
        return None
    return math.ceil(value)


Usage = Callable[[Mapping[str, int]], chat_pb2.Usage]


@dataclass(frozen=True, slots=True)
class CountNames:
    """The names under which a format reports counts, and how they are combined."""

    untold: Mapping[str, int]
    """A 0 for each name; a dot separates the name of a nested object."""
    holders: frozenset[str]
    """The names of the nested objects."""
    usage: Usage

    @classmethod
    def of(cls, names: Iterable[str], usage: Usage) -> "CountNames":
        """Returns these names, with the function that turns their counts into usage."""
        untold = dict.fromkeys(names, 0)
        holders = (name[:at] for name in untold for at, mark in enumerate(name) if mark == ".")
        return cls(untold, frozenset(holders), usage)


class Counts:
    """The provider's counts for one answer so far. They are totals, so a later count replaces an earlier one."""

    def __init__(self, names: CountNames) -> None:
        self.told = dict(names.untold)
        self._names = names

    def take(self, counted: Any) -> bool:
        """Takes in an event's counts; returns whether there are any."""
        if type(counted) is not dict:
            return False
        told, holders, is_any = self.told, self._names.holders, False
        for name, value in counted.items():
            if name in told:
                sure = value if type(value) is int and 0 < value <= _MOST else count(value)
                if sure or (sure == 0 and len(counted) == 1):
                    told[name] = sure
                    is_any = True
            elif type(value) is dict and name in holders:
                names = ((f"{name}.{inner}", each) for inner, each in value.items())
                is_any |= self.take({one: each for one, each in names if one in told or one in holders})
        return is_any

    def usage(self) -> chat_pb2.Usage | None:
        """Returns everything that was counted; None if nothing was."""
        return self._names.usage(self.told) if any(self.told.values()) else None


def usage(
    prompt: int, completion: int, cached: int = 0, written: int = 0, written_for_an_hour: int = 0, reasoning: int = 0
) -> chat_pb2.Usage:
    """Returns usage in which no part exceeds its whole."""
    usage = chat_pb2.Usage(prompt_tokens=prompt, completion_tokens=completion)
    if cached:
        usage.cached_prompt_tokens = min(cached, prompt)
    if written:
        usage.cache_write_prompt_tokens = min(written, prompt - usage.cached_prompt_tokens)
        usage.hour_cache_write_prompt_tokens = min(written_for_an_hour, usage.cache_write_prompt_tokens)
    if reasoning:
        usage.reasoning_tokens = min(reasoning, completion)
    return usage


_PROMPT = ("prompt_tokens", "input_tokens", "tokens.input_tokens", "billed_units.input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens", "tokens.output_tokens", "billed_units.output_tokens")
_CACHED = (
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_read_input_tokens",
)
_WRITTEN = (
    "prompt_tokens_details.cache_write_tokens",
    "prompt_tokens_details.cache_creation_tokens",
    "cache_creation_input_tokens",
)
_WRITTEN_FOR_AN_HOUR = (
    # LiteLLM's proxy, for Anthropic
    "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)
_REASONING = (
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "reasoning_tokens",
)


def openai() -> Counts:
    """Returns empty counts for OpenAI's two formats, in the variants of the many servers that speak them."""
    return Counts(_OPENAI)


def _openai_usage(told: Mapping[str, int]) -> chat_pb2.Usage:
    """Decides which counts are outside the prompt and the completion and which are part of them, by the total if there
    is one.

    xAI counts its reasoning outside the completion, Google's server of this format only in the total.
    """
    total, cached, written = told["total_tokens"], _first(told, _CACHED), _first(told, _WRITTEN)
    completion, reasoning = _first(told, _COMPLETION), _first(told, _REASONING)
    prompt = _first(told, _PROMPT) or told["prompt_cache_hit_tokens"] + told["prompt_cache_miss_tokens"]
    if not prompt and completion:
        prompt = max(0, total - completion)
    elif not completion and prompt:
        completion = max(0, total - prompt)
    beside = total - prompt - completion
    if 0 < reasoning <= beside or (not total and reasoning > completion):
        completion += reasoning
    elif beside > 0 and prompt:
        if beside == cached + written:
            prompt += beside
        elif not reasoning and beside <= _LONGEST_THOUGHT:
            completion, reasoning = completion + beside, beside
    return usage(prompt, completion, cached, written, _first(told, _WRITTEN_FOR_AN_HOUR), reasoning)


_OPENAI = CountNames.of(
    (
        *(*_PROMPT, *_COMPLETION, *_CACHED, *_WRITTEN, *_WRITTEN_FOR_AN_HOUR, *_REASONING),
        *("prompt_cache_miss_tokens", "total_tokens"),
    ),
    _openai_usage,
)


def anthropic() -> Counts:
    """Returns empty counts for Anthropic's format, whose input excludes tokens read from the cache or written to it."""
    return Counts(_ANTHROPIC)


def _anthropic_usage(told: Mapping[str, int]) -> chat_pb2.Usage:
    read, hour = told["cache_read_input_tokens"], told["cache_creation.ephemeral_1h_input_tokens"]
    written = told["cache_creation_input_tokens"] or told["cache_creation.ephemeral_5m_input_tokens"] + hour
    return usage(
        told["input_tokens"] + read + written,
        told["output_tokens"],
        read,
        written,
        hour,
        told["output_tokens_details.thinking_tokens"],
    )


_ANTHROPIC = CountNames.of(
    (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation.ephemeral_5m_input_tokens",
        "cache_creation.ephemeral_1h_input_tokens",
        "output_tokens_details.thinking_tokens",
    ),
    _anthropic_usage,
)


def gemini() -> Counts:
    """Returns empty counts for Gemini's format, which counts thoughts separately from the candidates."""
    return Counts(_GEMINI)


def _gemini_usage(told: Mapping[str, int]) -> chat_pb2.Usage:
    thoughts = told["thoughtsTokenCount"]
    completion = told["candidatesTokenCount"] + thoughts
    if told["promptTokenCount"]:
        prompt = told["promptTokenCount"] + told["toolUsePromptTokenCount"]
    else:
        prompt = max(0, told["totalTokenCount"] - completion)
    return usage(prompt, completion, told["cachedContentTokenCount"], reasoning=thoughts)


_GEMINI = CountNames.of(
    (
        "promptTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
        "totalTokenCount",
    ),
    _gemini_usage,
)


def _first(told: Mapping[str, int], names: tuple[str, ...]) -> int:
    return next((told[name] for name in names if told[name]), 0)
