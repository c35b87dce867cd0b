"""Rewrites tool names as a provider accepts them, and restores them: one provider's names may be sent to another."""

import re
from collections.abc import Container, Iterable
from hashlib import sha256

from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Names that OpenAI's formats and Anthropic's accept."""
NAME_WITH_LETTER = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
"""Names that Moonshot accepts."""

_LONGEST = 64
_DIGITS = 8
_ODD = re.compile(r"[^a-zA-Z0-9_-]")


class ToolNames:
    """The tool names of one request. A name that does not match `taken` is replaced by another; all are distinct.

    A replacement is derived from the name, so it is the same in every turn and for all who share a cached prompt.
    """

    def __init__(self, names: Iterable[str], taken: re.Pattern[str]) -> None:
        distinct = dict.fromkeys(names)
        used = set(distinct)
        self._told: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        for name in distinct:
            if not taken.fullmatch(name):
                told = _spelt(name, used)
                used.add(told)
                self._told[name], self._ours[told] = told, name

    def renamed(self, request: inference_pb2.GenerateRequest) -> inference_pb2.GenerateRequest:
        """Returns the request with the provider's names; the same request if all names are accepted."""
        if not self._told:
            return request
        told = inference_pb2.GenerateRequest()
        told.CopyFrom(request)
        for tool in told.tools:
            tool.name = self._told.get(tool.name, tool.name)
        for message in told.messages:
            for call in message.tool_calls:
                call.name = self._told.get(call.name, call.name)
        return told

    def restore(self, calls: Iterable[event_pb2.ToolCallDelta]) -> None:
        """Restores in an answer's calls the names that the request uses."""
        for call in calls:
            call.name = self._ours.get(call.name, call.name)


def tool_names(request: inference_pb2.GenerateRequest, taken: re.Pattern[str]) -> ToolNames:
    """Returns the names of a request's tools, and of the calls in its messages."""
    declared = (tool.name for tool in request.tools)
    called = (call.name for message in request.messages for call in message.tool_calls)
    return ToolNames((*declared, *called), taken)


def _spelt(name: str, used: Container[str]) -> str:
    """Returns a name that every provider accepts and that is not `used`."""
    plain = _ODD.sub("_", name)
    plain = plain if plain[:1].isalpha() else f"tool_{plain}"
    attempt = name
    while True:
        digits = sha256(attempt.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
        spelt = f"{plain[: _LONGEST - _DIGITS - 1]}_{digits}"
        if spelt not in used:
            return spelt
        attempt += "\0"
