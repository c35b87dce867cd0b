"""XML from strangers as a stream of events: no tree, no DTD, no entities, no external resources."""

from functools import lru_cache
from typing import Protocol
from xml.parsers import expat

from weft_retrieval.formats.archive import damaged

Attributes = dict[str, str]

# The strict variant of a namespace (ISO/IEC 29500-1) says the same as the transitional one (29500-4).
_PREFIXES = {
    "wordprocessingml": "w",
    "drawingml": "a",
    "spreadsheetml": "s",
    "presentationml": "p",
    "officeDocument/math": "m",
    "officeDocument/relationships": "r",
    "package/relationships": "rel",
    "package/content-types": "ct",
    "markup-compatibility": "mc",
}
_DRAWINGS = {"chart": "c", "diagram": "dgm", "wordprocessingDrawing": "wp"}


class XmlReader(Protocol):
    """The receiver of the events. Names have the prefix that Office itself gives their namespace, such as `w:p`."""

    def start(self, tag: str, attributes: Attributes, /) -> None:
        """An element begins."""

    def end(self, tag: str, /) -> None:
        """An element ends."""

    def text(self, text: str, /) -> None:
        """Text, in one piece or several."""


def read_xml(content: bytes, reader: XmlReader, name: str) -> None:
    """Sends a part's events to a reader; raises Invalid(UNREADABLE_DOCUMENT) if it is not XML, or has a DTD.

    Of alternatives (ECMA-376-3, `mc:AlternateContent`) the reader hears one.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    chosen = _Chosen(reader)
    parser.StartElementHandler = chosen.start
    parser.EndElementHandler = chosen.end
    parser.CharacterDataHandler = chosen.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
    except _DoctypeError:
        raise damaged(f"the document's part {name[-60:]!r} declares a document type, which is not read") from None
    except (expat.ExpatError, ValueError, LookupError):
        raise damaged(f"the document's part {name[-60:]!r} is damaged") from None


class _DoctypeError(Exception):
    """A part declares a document type, which its standard forbids."""


def _refuse_doctype(*_: object) -> None:
    raise _DoctypeError


class _Chosen:
    """Passes events on, less the alternatives that were not chosen."""

    def __init__(self, reader: XmlReader) -> None:
        self._reader = reader
        self._skipped = 0
        """How many open elements are in what is left out, that one included."""
        self._has_choice: list[bool] = []
        """For every open AlternateContent, whether one of its choices was passed on."""

    def start(self, name: str, attributes: Attributes) -> None:
        tag = short_name(name)
        if self._skipped:
            self._skipped += 1
        elif tag == "mc:AlternateContent":
            self._has_choice.append(False)
        elif tag in {"mc:Choice", "mc:Fallback"} and self._has_choice:
            if self._has_choice[-1]:
                self._skipped = 1
            self._has_choice[-1] = True
        else:
            self._reader.start(tag, {short_name(key): value for key, value in attributes.items()})

    def end(self, name: str) -> None:
        tag = short_name(name)
        if self._skipped:
            self._skipped -= 1
        elif tag == "mc:AlternateContent":
            self._has_choice.pop()
        elif not (tag in {"mc:Choice", "mc:Fallback"} and self._has_choice):
            self._reader.end(tag)

    def text(self, text: str) -> None:
        if not self._skipped:
            self._reader.text(text)


@lru_cache(4096)
def short_name(name: str) -> str:
    """Returns a name with the prefix that Office gives its namespace, without one when it has none of those."""
    namespace, _, local = name.rpartition(" ")
    if not namespace:
        return local
    if "drawingml" in namespace:
        part = namespace.rpartition("/")[2]
        prefix = _DRAWINGS.get(part, "a" if part == "main" else "")
    else:
        prefix = next((known for key, known in _PREFIXES.items() if key in namespace.replace("/2006", "")), "")
    return f"{prefix}:{local}" if prefix else local


class _Elements:
    def __init__(self) -> None:
        self.found: list[tuple[str, Attributes]] = []

    def start(self, tag: str, attributes: Attributes) -> None:
        self.found.append((tag, attributes))

    def end(self, tag: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


def elements(content: bytes, name: str) -> list[tuple[str, Attributes]]:
    """Returns the elements of a part in order, without their text; none when the part is empty."""
    found = _Elements()
    if content:
        read_xml(content, found, name)
    return found.found
