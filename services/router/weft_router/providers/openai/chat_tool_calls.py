"""Decides which call a piece of chat completions belongs to, in the variants of the many servers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from weft_router.providers.tool_calls import ToolCall, ToolCalls, read_arguments


@dataclass(frozen=True, slots=True)
class _CallPiece:
    index: int | None
    call_id: str
    name: str
    arguments: str

    @property
    def has_arguments(self) -> bool:
        return bool(self.arguments.strip())


class ChatCalls:
    """Assigns pieces to calls.

    In the format, calls are numbered, the id and the name come once, and the arguments in pieces. Not every server
    follows it: some leave the number out, or send 0 for all; some repeat the id or the name, send another id with each
    piece, none at all, or the same for two calls; some send a call again once it is complete. `names` are those of the
    tools offered, by which a name that comes in pieces is recognised.
    """

    def __init__(self, calls: ToolCalls, names: Collection[str] = ()) -> None:
        self._calls = calls
        self._names = frozenset(names)
        self._by_index: dict[int | None, ToolCall] = {}
        """The latest call for each of the server's numbers; under None, the latest of all."""
        self._by_id: dict[str, ToolCall] = {}
        self._ids_change = False
        """Whether a call continued under another id than it began with."""

    def take(self, told: dict[str, Any]) -> ToolCall:
        """Takes in one piece; returns the call that it belongs to."""
        piece = _read(told)
        call = self._known(piece)
        if call is None or self._is_another(call, piece):
            name, call = piece.name or (call.name if call else ""), self._calls.new(piece.call_id)
            call.name = name
        elif piece.call_id and piece.call_id not in self._by_id:
            self._ids_change = True
        self._by_index[piece.index] = self._by_index[None] = call
        if piece.call_id:
            self._by_id[piece.call_id] = call
        self._name(call, piece)
        call.add(piece.arguments)
        if call.name and (not self._names or call.name in self._names):
            call.begin()
        return call

    def complete(self, whole: Iterable[dict[str, Any]]) -> None:
        """Takes in all calls again, for those that came without their arguments."""
        for call, told in zip(self._calls, whole, strict=False):
            if not call.has_told:
                call.add(_read(told).arguments)

    def _known(self, piece: _CallPiece) -> ToolCall | None:
        """Returns the call that a piece's id names, or else its number."""
        here, latest = self._by_index.get(piece.index), self._by_index.get(None)
        if piece.call_id in self._by_id and not (here and here.given_id == piece.call_id):
            return self._by_id[piece.call_id]
        goes_on_unplaced = here is None and not piece.name and piece.has_arguments
        return latest if goes_on_unplaced and latest and not latest.is_whole else here

    def _is_another(self, call: ToolCall, piece: _CallPiece) -> bool:
        """Returns whether a piece begins another call instead of continuing this one."""
        if not piece.name:
            return call.is_named_again and call.is_whole and piece.has_arguments
        if self._joined(call, piece.name) is None:
            return True
        has_same_id = bool(piece.call_id) and piece.call_id == call.given_id
        if call.is_whole and piece.has_arguments and (call.has_told or not has_same_id):
            is_numbered = len(self._by_index) > 2  # None, and more than one number
            may_repeat = has_same_id or is_numbered or bool(call.given_id and not piece.call_id)
            return not (may_repeat and call.repeats(piece.arguments))
        if has_same_id:
            return piece.index not in self._by_index and not call.is_open
        if not piece.call_id or piece.call_id in self._by_id:
            return False
        return piece.index is None or (call.is_whole and not self._ids_change)

    def _joined(self, call: ToolCall, name: str) -> str | None:
        """Returns the name of a call with one more piece added; None if the piece is another call's name."""
        if not call.name or name == call.name:
            return name
        if call.name in self._names or call.has_arguments:
            return None
        grown = (name, call.name + name)
        return next((one for one in grown if any(known.startswith(one) for known in self._names)), None)

    def _name(self, call: ToolCall, piece: _CallPiece) -> None:
        if piece.name and call.is_whole and not piece.has_arguments:
            call.is_named_again = True
        elif piece.name:
            call.name = self._joined(call, piece.name) or call.name


def _read(told: dict[str, Any]) -> _CallPiece:
    function, call_id = told.get("function") or told, told.get("id")
    return _CallPiece(
        _number(told.get("index")),
        "" if call_id is None else str(call_id),
        function.get("name") or "",
        read_arguments(function.get("arguments")),
    )


def _number(index: Any) -> int | None:
    """Returns a server's number for a call; some write it as text or as 0.0."""
    try:
        return None if index is None else int(index)
    except (TypeError, ValueError, OverflowError):
        return None
