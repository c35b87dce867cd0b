"""The arguments of one of Gemini's calls, which may come as values with the paths at which they belong."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from weft_router.providers import encoding
from weft_router.providers.provider import broken

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
# No tool's arguments are nested so deep that they need a longer path; they could not be written as JSON.
_LONGEST_PATH = 1000
_MOST_CHARACTERS = 2 * 1024 * 1024
"""Most characters of one call's arguments: nothing else bounds them, since they are passed on only when complete."""


class Arguments:
    """Gathers arguments into `value`."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self._left = _MOST_CHARACTERS

    def add(self, whole: dict[str, Any], pieces: Iterable[dict[str, Any]]) -> None:
        """Takes in complete arguments, and pieces such as `{"jsonPath": "$.city", "stringValue": "Par"}`.

        Raises:
            ProviderError: the path of a piece is invalid, or the arguments are too long.
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
    """Returns the place one step deeper: a list if a number follows, else an object."""
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
    """Makes sure that a list has the place; a place is never skipped."""
    if isinstance(place, dict) and isinstance(step, str):
        return
    if not isinstance(place, list) or not isinstance(step, int) or step > len(place):
        raise broken("named a place in its arguments that is none")
    if step == len(place):
        place.append(None)
