"""The text of a document while it is collected: paragraphs, lines and headings, with their offsets, within a limit."""

import re

from weft_retrieval.formats.invisible import visible
from weft_retrieval.formats.outline import MAX_TITLE, Heading, Parsed
from weft_retrieval.formats.text import unreadable

# What a document may say, whatever its size, and more by the byte: a text that is stored once may be shown in any
# number of places.
_CHARACTERS, _CHARACTERS_BY_BYTE = 1024 * 1024, 64
# PostgreSQL refuses NUL, and a stray surrogate cannot be encoded; the others are control characters of no text.
_UNSTORABLE = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff]")
_SPACE = re.compile(r"\s+")


class Draft:
    """Collects a document in reading order."""

    def __init__(self, size: int) -> None:
        """Limits the text by the document's `size` in bytes."""
        self._left = _CHARACTERS + _CHARACTERS_BY_BYTE * size
        self._text: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._in_lines = False

    @property
    def has_body(self) -> bool:
        """Whether there is more than headings."""
        return len(self._text) > len(self._headings)

    def paragraph(self, text: str) -> None:
        """Adds a paragraph, unless it is blank."""
        self._add(text, "\n\n")

    def line(self, text: str) -> None:
        """Adds a line that belongs with the next ones."""
        self._add(text, "\n")

    def gap(self) -> None:
        """Ends a group of lines."""
        if self._in_lines:
            self._text.append("\n")
            self._length += 1
            self._in_lines = False

    def heading(self, title: str, level: int) -> None:
        """Adds a heading, level 1 the outermost, unless it is blank."""
        if title := _SPACE.sub(" ", _clean(title)).strip():
            self.gap()
            self._headings.append(Heading(self._length, level, title[:MAX_TITLE]))
            self._add(title, "\n\n")

    def parsed(self, title: str | None = None) -> Parsed:
        """Returns the parsed document, with its title."""
        return Parsed("".join(self._text), tuple(self._headings), title)

    def _add(self, text: str, end: str) -> None:
        text = _clean(text).strip("\n")
        if not text.strip():
            return
        self._left -= len(text)
        if self._left < 0:
            raise unreadable("the document shows far more text than its size can hold; send the text itself")
        self._text.append(text + end)
        self._length += len(text) + len(end)
        self._in_lines = end == "\n"


def _clean(text: str) -> str:
    return visible(_UNSTORABLE.sub("", text))
