"""Word documents (WordprocessingML, ECMA-376-1 chapter 17): what a reader sees, in the order of the file.

Tracked changes are read as accepted. Comments, hidden text, field codes and placeholders of empty form fields are left
out; headers and footers come first, each text once; a note follows the paragraph that refers to it.
"""

import email
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from weft_kit.document_names import ContentType
from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.html.html import read_html
from weft_retrieval.formats.office.docx_styles import (
    Numbering,
    Styles,
    list_level,
    outline_level,
)
from weft_retrieval.formats.office.drawing_parts import DrawingParts
from weft_retrieval.formats.office.office_format import office_format
from weft_retrieval.formats.office.package import Package
from weft_retrieval.formats.office.xml_events import Attributes, read_xml
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.units import MAX_UNIT

_LEFT_OUT = frozenset(
    {"w:del", "w:moveFrom", "w:instrText", "w:rt", "w:rPrChange", "w:pPrChange", "w:tblPrChange", "w:trPrChange"}
    | {"w:tcPrChange", "w:sectPrChange", "w:tblGridChange", "w:numberingChange"}
)
_CHARACTERS = {"w:br": "\n", "w:cr": "\n", "w:tab": "\t", "w:ptab": "\t", "w:noBreakHyphen": "-"}
_MATHS = {"m:den": "/", "m:sup": "^", "m:sub": "_"}
_TEXTS = frozenset({"w:t", "m:t", "a:t"})
_PAGES = (".htm", ".html", ".xhtml", ".txt", ".mht")
_DEEPEST_TABLE = 8
_OFF = frozenset({"0", "false", "off"})
# The letters of the font Symbol, which stand at U+F041 and on (ECMA-376-1, 17.3.3.30).
_SYMBOLS = dict(enumerate("ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", 0xF041)) | dict(enumerate("αβχδεφγηιϕκλμνοπθρστυϖωξψζ", 0xF061))
_SYMBOLS |= {
    0xF0A3: "≤",
    0xF0A5: "∞",
    0xF0AE: "→",
    0xF0B0: "°",
    0xF0B1: "±",
    0xF0B3: "≥",
    0xF0B4: "\u00d7",
    0xF0B9: "≠",
}


class _Block(NamedTuple):
    """A paragraph, a heading (level above 0), or a row of a table."""

    text: str
    level: int = 0
    is_row: bool = False


@dataclass
class _Paragraph:
    style: str = ""
    level: int | None = None
    list_id: str = ""
    list_level: int = 0
    pieces: list[str] = field(default_factory=list)
    is_hidden: bool = False
    """Whether the run that is being read is."""


def read_docx(content: bytes) -> Parsed:
    package = Package(content)
    main = package.main
    parts = {relation.type: relation.target for relation in package.related(main).values()}
    styles = Styles(package.archive.read(parts.get("styles", "")), "styles.xml")
    numbering = Numbering(package.archive.read(parts.get("numbering", "")), "numbering.xml")

    def read(part: str) -> "_Part":
        found = _Part(package, part, styles, numbering)
        read_xml(package.read(part), found, part)
        return found

    draft = Draft(len(content))
    # First of all, for lists of headers and notes are not to count in its own.
    body = read(main)
    for text in dict.fromkeys(_margins(package, read)):
        draft.line(text)
    draft.gap()
    notes = {
        (kind, note): blocks
        for kind in ("footnotes", "endnotes")
        if parts.get(kind, "") in package.archive
        for note, blocks in read(parts[kind]).notes.items()
    }
    _write(body.with_notes(notes), draft)
    return draft.parsed()


def _margins(package: Package, read: Callable[[str], "_Part"]) -> Iterator[str]:
    """Yields the words of headers and footers."""
    for relation in package.related(package.main).values():
        if relation.type in {"header", "footer"} and relation.target in package.archive:
            yield from (block.text for block in read(relation.target).blocks if any(map(str.isalpha, block.text)))


def _write(blocks: Iterable[_Block], draft: Draft) -> None:
    for text, level, is_row in blocks:
        if level:
            draft.heading(text, level)
        elif is_row:
            draft.line(text)
        else:
            draft.gap()
            draft.paragraph(text)


class _Part:
    """Reads the body, a header, a footer or the notes of a document."""

    def __init__(self, package: Package, part: str, styles: Styles, numbering: Numbering) -> None:
        self.notes: dict[str, list[_Block]] = {}
        self._package = package
        self._related = package.related(part)
        self._drawings = DrawingParts(package, part)
        self._styles = styles
        self._numbering = numbering
        self._blocks: list[list[_Block]] = [[]]
        """Those of the part, and of every open cell and note."""
        self._rows: list[list[list[_Block]]] = []
        self._paragraphs: list[_Paragraph] = []
        self._note_ids: list[str] = []
        self._references: dict[int, list[tuple[str, str]]] = {}
        """The notes that are referred to before so many blocks are there."""
        self._skipped = 0
        self._is_text = False
        self._in_properties = False
        self._is_placeholder = False

    @property
    def blocks(self) -> list[_Block]:
        return self._blocks[0]

    def with_notes(self, notes: dict[tuple[str, str], list[_Block]]) -> Iterator[_Block]:
        """Yields the blocks, each note once after the first that refers to it."""
        for number, block in enumerate((*self.blocks, _Block("")), 1):
            yield block
            for reference in self._references.get(number, ()):
                yield from notes.pop(reference, ())

    def start(self, tag: str, attributes: Attributes) -> None:
        if self._skipped or tag in _LEFT_OUT or self._is_filler(tag):
            self._skipped += 1
        elif tag in _TEXTS:
            self._is_text = True
        elif tag in _CHARACTERS:
            # Inside of properties `w:tab` is where a tabulator stops.
            self._say("" if self._in_properties else _CHARACTERS[tag])
        elif tag == "w:p":
            self._paragraphs.append(_Paragraph())
        elif tag == "w:pPr":
            self._in_properties = True
        elif tag == "w:r" and self._paragraphs:
            self._paragraphs[-1].is_hidden = False
        elif tag == "w:tr":
            self._rows.append([])
        elif tag == "w:tc":
            # Tables in tables in tables are read as if the inner ones were none.
            self._blocks.append([] if len(self._rows) <= _DEEPEST_TABLE else self._blocks[-1])
        elif tag == "w:showingPlcHdr":
            self._is_placeholder = attributes.get("w:val") not in _OFF
        else:
            self._start_other(tag, attributes)

    def _is_filler(self, tag: str) -> bool:
        """Says whether the content that begins is what an empty field shows."""
        is_filler = tag == "w:sdtContent" and self._is_placeholder
        self._is_placeholder = self._is_placeholder and tag != "w:sdtContent"
        return is_filler

    def _start_other(self, tag: str, attributes: Attributes) -> None:
        value = attributes.get("w:val", "")
        if tag in {"w:footnote", "w:endnote"}:
            # Those of a type are the lines that separate notes from the text.
            self._note_ids.append("" if "w:type" in attributes else attributes.get("w:id", ""))
            self._blocks.append([])
        elif tag in {"w:footnoteReference", "w:endnoteReference"}:
            kind = "footnotes" if tag == "w:footnoteReference" else "endnotes"
            self._references.setdefault(len(self.blocks) + 1, []).append((kind, attributes.get("w:id", "")))
        elif tag == "w:sym":
            self._say(_symbol(attributes.get("w:char", "")))
        elif tag == "wp:docPr":
            self._say(f" {description} " if (description := attributes.get("descr", "")) else "")
        elif tag in _MATHS:
            self._say(_MATHS[tag])
        elif tag == "w:altChunk":
            self._embed(attributes.get("r:id", ""))
        elif self._paragraphs:
            _describe(self._paragraphs[-1], tag, value, in_properties=self._in_properties)
        self._blocks[-1].extend(_Block(text) for text in self._drawings.texts(tag, attributes))

    def end(self, tag: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif tag in _TEXTS:
            self._is_text = False
        elif tag == "w:p":
            self._end_paragraph(self._paragraphs.pop())
        elif tag == "w:pPr":
            self._in_properties = False
        elif tag == "w:tc":
            cell = self._blocks.pop()
            if self._rows and cell is not self._blocks[-1]:
                self._rows[-1].append(cell)
        elif tag == "w:tr":
            self._blocks[-1].extend(_row(self._rows.pop()))
        elif tag in {"w:footnote", "w:endnote"}:
            self.notes[self._note_ids.pop()] = self._blocks.pop()

    def text(self, text: str) -> None:
        if self._is_text and not self._skipped:
            self._say(text)

    def _say(self, text: str) -> None:
        if self._paragraphs and not self._paragraphs[-1].is_hidden:
            self._paragraphs[-1].pieces.append(text)

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.pieces).strip()
        level = self._styles.level(paragraph.style) if paragraph.level is None else paragraph.level
        inherited, at = self._styles.list_of(paragraph.style)
        # A blank item has a number, too.
        label = self._numbering.label(paragraph.list_id or inherited, paragraph.list_level if paragraph.list_id else at)
        if text:
            self._blocks[-1].append(_Block(f"{label} {text}" if label else text, level))

    def _embed(self, reference: str) -> None:
        """Takes in a document that Word itself would take in when it opens this one (17.17.2.1)."""
        relation = self._related.get(reference)
        if relation and relation.target.lower().endswith(_PAGES):
            page = self._package.read(relation.target)
            for text in _pages(page) if relation.target.lower().endswith(".mht") else (read_html(page).text,):
                self._blocks[-1].extend(map(_Block, text.split("\n\n")))


def _pages(archive: bytes) -> Iterator[str]:
    """Yields the pages of a web archive (RFC 2557)."""
    for part in email.message_from_bytes(archive).walk():
        if part.get_content_type() == "text/html" and isinstance(page := part.get_payload(decode=True), bytes):
            yield read_html(page).text


def _describe(paragraph: _Paragraph, tag: str, value: str, *, in_properties: bool) -> None:
    if tag == "w:pStyle":
        paragraph.style = value
    elif tag == "w:outlineLvl":
        paragraph.level = outline_level(value)
    elif tag == "w:numId":
        paragraph.list_id = value
    elif tag == "w:ilvl":
        paragraph.list_level = list_level(value)
    elif tag == "w:vanish" and not in_properties:
        paragraph.is_hidden = value not in _OFF


def _row(cells: list[list[_Block]]) -> list[_Block]:
    """Returns a row as one line; as its paragraphs when it is no more than a layout."""
    filled = [cell for cell in cells if cell]
    blocks = [block for cell in filled for block in cell]
    if len(filled) < 2 or any(block.level for block in blocks) or sum(len(block.text) for block in blocks) > MAX_UNIT:
        return blocks
    return [_Block(" | ".join(" ".join(" ".join(block.text.split()) for block in cell) for cell in filled), 0, True)]


def _symbol(code: str) -> str:
    """Returns the character of `w:sym`; of fonts of pictures there is none."""
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    return _SYMBOLS.get(number, "" if 0xE000 <= number <= 0xF8FF or number > 0xFFFF else chr(number))


DOCX = office_format(ContentType.DOCX, "a Word document", read_docx)
