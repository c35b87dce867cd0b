"""Tool calls as they come, whole or in pieces, passed on in pieces that are never taken back."""

import re
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

from weft.job.v1 import event_pb2
from weft_router.providers import encoding, surrogates
from weft_router.providers.provider import broken

_MOST_KEPT = 64 * 1024
"""Most characters of one call's arguments that are held back."""

_MOST_CALLS = 4096
"""Most calls in one answer. Calls without a name yet are not passed on, so nothing else would count them."""

_MARK = re.compile(r'\\.|["{}\[\]]', re.DOTALL)


def read_arguments(arguments: Any) -> str:
    """Returns arguments as JSON text; some servers send the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return encoding.json_text(arguments)


class _Shape:
    """Follows JSON text just enough to see where its value ends, reading every character once."""

    def __init__(self) -> None:
        self._depth = 0
        self._is_text = False
        self._rest = ""
        self.is_whole = False

    @property
    def is_text(self) -> bool:
        """Whether the JSON so far ends inside a string."""
        return self._is_text

    def follow(self, text: str) -> None:
        text = self._rest + text
        end = 0
        for found in _MARK.finditer(text):
            end = found.end()
            self._pass(found[0])
        # An escape may be cut off after its backslash.
        self._rest = "\\" if text.endswith("\\") and end < len(text) else ""

    def _pass(self, mark: str) -> None:
        if mark == '"':
            self._is_text = not self._is_text
            self.is_whole = not self._is_text and not self._depth
        elif not self._is_text and mark in "{[":
            self._depth += 1
            self.is_whole = False
        elif not self._is_text and mark in "}]":
            self._depth -= 1
            self.is_whole = not self._depth


class ToolCall:
    """One call. What it passes on is never taken back, so anything uncertain is kept until it is certain."""

    def __init__(
        self, index: int, call_id: str, given_id: str, tell: Callable[[event_pb2.ToolCallDelta], None], state: str = ""
    ) -> None:
        self.index = index
        """Its place among the calls of the answer."""
        self.name = ""
        self.given_id = given_id
        """The provider's id for it, which another call may have, too."""
        self.is_named_again = False
        """Whether its name came again after it was whole, since another call to the same tool may begin."""
        self._first = event_pb2.ToolCallDelta(index=index, id=call_id, provider_state=state)
        self._tell = tell
        self._has_begun = self._has_told_name = False
        self._told: list[str] = []
        self._told_characters = 0
        self._kept: list[str] = []
        self._kept_characters = 0
        self._shape = _Shape()
        self._is_closed = False
        self._tells_all = False
        """Whether each piece repeats all of the arguments so far."""

    @property
    def is_whole(self) -> bool:
        """Whether it has arguments, and they are complete."""
        return self._shape.is_whole

    @property
    def has_arguments(self) -> bool:
        """Whether its arguments have begun."""
        return bool(self._told or self._kept)

    @property
    def has_told(self) -> bool:
        """Whether arguments of it were passed on, which is final."""
        return bool(self._told)

    @property
    def is_open(self) -> bool:
        """Whether its arguments have begun and not ended."""
        return self.has_arguments and not self.is_whole

    def begin(self) -> None:
        """Announces the call, or its name once that has come."""
        if not self._has_begun or (self.name and not self._has_told_name):
            self._say("")

    def add(self, arguments: str) -> None:
        """Takes in more of its arguments.

        Arguments that begin with a quote are JSON within a JSON string, passed on once it can be read. An empty object
        may be a placeholder for arguments that follow.
        """
        if not arguments or (self.is_whole and self.repeats(arguments)):
            return
        if not (arguments := self._unsaid(arguments)):
            return
        if self.is_whole and arguments.strip():
            self._drop()
        self._shape.follow(arguments)
        begins_unsure = not self._told and (arguments.strip() == "{}" or arguments.lstrip().startswith('"'))
        if not (self._kept or begins_unsure):
            self._say(arguments)
            return
        self._keep(arguments)
        if self._kept_characters > _MOST_KEPT:
            self._say(self._take_kept())

    def hold(self, arguments: str) -> None:
        """Takes in complete arguments, which apply unless others follow."""
        self._keep(arguments)
        self._shape.follow(arguments)

    def close(self, arguments: str) -> None:
        """Takes in all of its arguments, any part of which may have come before.

        Raises:
            ProviderError: they differ from those that came before.
        """
        if self._is_closed or not arguments:
            return
        self._is_closed = True
        told = surrogates.joined("".join(self._told))
        if arguments.startswith(told):
            self._drop()
            self.add(arguments[len(told) :])
        elif not self.repeats(arguments):
            raise broken(f"told the arguments of its call to {self.name or '(unnamed)'} twice, and not the same")

    def end(self, bare: str) -> None:
        """Passes on what was kept; `bare` in place of arguments that did not come."""
        kept = self._take_kept()
        if kept.lstrip().startswith('"'):
            inner = encoding.json_value(kept)
            if inner == "" or (isinstance(inner, str) and isinstance(encoding.json_value(inner), dict)):
                kept = inner
        if not kept and not any(map(str.strip, self._told)):
            kept = bare
        if kept:
            self._say(kept)
        else:
            self.begin()

    def repeats(self, arguments: str) -> bool:
        """Returns whether these are the arguments it has, perhaps with other white space."""
        had = self._told or self._kept
        length = self._told_characters or self._kept_characters
        if not length // 2 <= len(arguments) <= 2 * length:
            return False
        text = surrogates.joined("".join(had))
        if text == arguments:
            return True
        value = encoding.json_value(text)
        return value is not None and bool(value == encoding.json_value(arguments))

    def _unsaid(self, arguments: str) -> str:
        """Returns what a piece adds to the arguments so far, which it may repeat first.

        Where no value can begin, the beginning of an object must be the arguments' own beginning repeated.
        """
        told = self._told_characters
        if not 0 < told < len(arguments) + self._tells_all:
            return arguments
        text = "".join(self._told)
        takes_value = not self._shape.is_text and text.rstrip()[-1:] in (":", "[", ",")
        is_sure = self._tells_all or (text.lstrip()[:1] in ("{", "[") and not takes_value)
        if not (is_sure and arguments.startswith(text)):
            return arguments
        self._tells_all = True
        return arguments[told:]

    def _keep(self, arguments: str) -> None:
        self._kept.append(arguments)
        self._kept_characters += len(arguments)

    def _take_kept(self) -> str:
        kept, self._kept, self._kept_characters = "".join(self._kept), [], 0
        return kept

    def _drop(self) -> None:
        if self._take_kept():
            self._shape = _Shape()

    def _say(self, arguments: str) -> None:
        piece = event_pb2.ToolCallDelta(index=self.index, arguments_json=arguments)
        if not self._has_begun:
            piece.MergeFrom(self._first)
        if not self._has_told_name:
            piece.name = self.name
        self._has_begun, self._has_told_name = True, bool(self.name)
        if arguments:
            self._told.append(arguments)
            self._told_characters += len(arguments)
        self._tell(piece)


class ToolCalls:
    """The calls of one answer, in order."""

    def __init__(self, tell: Callable[[event_pb2.ToolCallDelta], None]) -> None:
        self.own_id = f"call_{token_hex(8)}"
        """The beginning of ids made up for calls without one: no two in a conversation may be the same."""
        self._tell = tell
        self._calls: list[ToolCall] = []
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[ToolCall]:
        return iter(self._calls)

    @property
    def latest(self) -> ToolCall | None:
        """The call begun last."""
        return self._calls[-1] if self._calls else None

    def new(self, given: str, state: str = "") -> ToolCall:
        """Adds a call and returns it. If it has no id, or another call's, it gets one of its own.

        Raises:
            ProviderError: there are too many calls.
        """
        number = len(self._calls)
        if number == _MOST_CALLS:
            raise broken(f"made more than {_MOST_CALLS} calls in one answer")
        call_id = given or f"{self.own_id}_{number}"
        while call_id in self._ids:
            call_id, number = f"{given or self.own_id}_{number}", number + 1
        self._ids.add(call_id)
        call = ToolCall(len(self._calls), call_id, given, self._tell, state)
        self._calls.append(call)
        return call

    def end(self, bare: str = "{}") -> None:
        """Passes on what the calls had kept; `bare` for those without arguments."""
        for call in self._calls:
            call.end(bare)
