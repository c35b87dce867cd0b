"""A document's text, and the headings that apply at each place in it."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MAX_TITLE = 1000
"""Characters that are kept of a heading: every chunk under it carries it, so a longer one would cost its square."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `offset` characters; level 1 is the outermost."""

    offset: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """The result of a format: the text, without NUL characters, and its headings in order of offset."""

    text: str
    headings: tuple[Heading, ...] = ()
    title: str | None = None
    """The document's title; None for its first heading, "" if that is not its title."""


class Outline:
    """Finds the headings that apply at an offset."""

    def __init__(self, headings: Sequence[Heading]) -> None:
        self.offsets = [heading.offset for heading in headings]
        self._paths: list[tuple[Heading, ...]] = []
        path: tuple[Heading, ...] = ()
        for heading in headings:
            path = (*(above for above in path if above.level < heading.level), heading)
            self._paths.append(path)

    def over(self, offset: int) -> tuple[Heading, ...]:
        """Returns the headings that apply at `offset`, outermost first, including one that begins exactly there."""
        index = bisect_right(self.offsets, offset)
        return self._paths[index - 1] if index else ()
