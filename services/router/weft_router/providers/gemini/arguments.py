"""The arguments of one of Gemini's calls, which may come as values with the paths where they belong."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from weft_router.providers import encoding
from weft_router.providers.provider import broken

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
# No tool's arguments nest so deep that a longer one means a place; JSON of them could not be written.
_LONGEST_PATH = 1000
_MOST_CHARACTERS = 2 * 1024 * 1024
"""Of the arguments of one call, which nobody else bounds: they are told once they are whole."""


class Arguments:
    """Gathers them into `value`."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self._left = _MOST_CHARACTERS

    def add(self, whole: dict[str, Any], pieces: Iterable[dict[str, Any]]) -> None:
        """Takes in arguments that come whole, and pieces: `{"jsonPath": "$.city", "stringValue": "Par"}`.

        Raises:
            ProviderError: a piece belongs nowhere, or there are more than any call has.
        """
        if whole and self.value:
            self._take_room(encoding.json_text(whole))
        self.value |= whole
        for piece in pieces:
            self._take_room(piece["jsonPath"] + piece.get("stringValue", ""))
            steps = _steps(piece["jsonPath"])
            place: Any = self.value
            for step, following in pairwise(steps):
                place = _entered(place, step, following)
            _put(place, steps[-1], piece)

    def _take_room(self, told: str) -> None:
        self._left -= len(told)
        if self._left < 0:
            raise broken(f"told more than {_MOST_CHARACTERS} characters of arguments in one call")


def _steps(path: str) -> list[str | int]:
    found = list(_STEP.finditer(path)) if len(path) <= _LONGEST_PATH else []
    if not found or "$" + "".join(step[0] for step in found) != path:
        raise broken("named a place in its arguments that is none")
    return [
        int(step[2]) if step[2] is not None else next(filter(None, (step[1], step[3], step[4])), "") for step in found
    ]


def _entered(place: Any, step: str | int, following: str | int) -> Any:
    """Goes one step deeper, into a list where a number follows."""
    _make_room(place, step)
    if isinstance(place, dict):
        place.setdefault(step, None)
    if place[step] is None:
        place[step] = [] if isinstance(following, int) else {}
    return place[step]


def _put(place: Any, step: str | int, piece: dict[str, Any]) -> None:
    _make_room(place, step)
    if "stringValue" in piece:
        before = place.get(step) if isinstance(place, dict) else place[step]
        place[step] = (before if isinstance(before, str) else "") + piece["stringValue"]
    else:
        place[step] = next((piece[name] for name in ("numberValue", "boolValue") if name in piece), None)


def _make_room(place: Any, step: str | int) -> None:
    """Sees to it that a list has the place; one is never skipped."""
    if isinstance(place, dict) and isinstance(step, str):
        return
    if not isinstance(place, list) or not isinstance(step, int) or step > len(place):
        raise broken("named a place in its arguments that is none")
    if step == len(place):
        place.append(None)
