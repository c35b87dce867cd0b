"""PowerPoint presentations (PresentationML, ECMA-376-1 chapter 19): slide after slide, with its notes."""

from collections.abc import Iterator

from weft_kit.document_names import ContentType
from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.office.drawing_parts import DrawingParts
from weft_retrieval.formats.office.office_format import office_format
from weft_retrieval.formats.office.package import Package
from weft_retrieval.formats.office.xml_events import Attributes, elements, read_xml
from weft_retrieval.formats.outline import Parsed

_LEVEL = 1
_TITLES = frozenset({"title", "ctrTitle"})
# What stands on every slide: its number, the date, and lines above and below.
_MARGINS = frozenset({"sldNum", "dt", "ftr", "hdr"})
_SCRIPTS = {"m:den": "/", "m:sup": "^", "m:sub": "_"}
_TRUE = frozenset({"1", "true"})
_FALSE = frozenset({"0", "false"})


def read_pptx(content: bytes) -> Parsed:
    package = Package(content)
    draft = Draft(len(content))
    first = ""
    for number, part in enumerate(_slides(package), 1):
        slide = _Slide(package, part)
        read_xml(package.read(part), slide, part)
        hidden = " (hidden)" if slide.is_hidden else ""
        title = " ".join(" ".join(slide.titles).split())
        draft.heading(f"Slide {number}{hidden}: {title}" if title else f"Slide {number}{hidden}", _LEVEL)
        for paragraph in slide.paragraphs:
            draft.paragraph(paragraph)
        for paragraph in _notes(package, part):
            draft.paragraph(paragraph)
        first = first or title
    # Numbers of slides that only show pictures are no text.
    return draft.parsed(title=first) if first or draft.has_body else Parsed("")


def _slides(package: Package) -> Iterator[str]:
    """Yields the slides in the order of the presentation, which is not that of their names."""
    related = package.related(package.main)
    for tag, attributes in elements(package.read(package.main), package.main):
        if tag == "p:sldId" and (relation := related.get(attributes.get("r:id", ""))):
            yield relation.target


def _notes(package: Package, part: str) -> Iterator[str]:
    """Yields what the speaker notes of a slide say, without its picture and number."""
    for relation in package.related(part).values():
        if relation.type == "notesSlide" and relation.target in package.archive:
            notes = _Slide(package, relation.target)
            read_xml(package.read(relation.target), notes, relation.target)
            yield from (f"Notes: {said}" if at == 0 else said for at, said in enumerate(notes.paragraphs))


class _Slide:
    """Reads the shapes of a slide, or of its notes, in their order; groups are looked into."""

    def __init__(self, package: Package, part: str) -> None:
        self.is_hidden = False
        self.titles: list[str] = []
        self.paragraphs: list[str] = []
        self._drawings = DrawingParts(package, part)
        self._placeholder = ""
        self._pieces: list[str] = []
        self._row: list[str] | None = None
        self._cell: list[str] = []
        self._is_merged = False
        self._is_text = False

    def start(self, tag: str, attributes: Attributes) -> None:
        if tag in {"a:t", "m:t"}:
            self._is_text = True
        elif tag == "a:br":
            self._pieces.append("\n")
        elif tag in _SCRIPTS:
            self._pieces.append(_SCRIPTS[tag])
        elif tag == "p:sp":
            self._placeholder = ""
        elif tag == "p:ph":
            self._placeholder = attributes.get("type", "obj")
        elif tag == "p:cNvPr":
            self._add(attributes.get("descr", ""))
        elif tag == "p:sld":
            self.is_hidden = attributes.get("show") in _FALSE
        elif tag in {"a:tr", "a:tc"}:
            self._start_in_table(tag, attributes)
        else:
            for paragraph in self._drawings.texts(tag, attributes):
                self._add(paragraph)

    def _start_in_table(self, tag: str, attributes: Attributes) -> None:
        if tag == "a:tr":
            self._row = []
        else:
            self._cell = []
            self._is_merged = bool(_TRUE & {attributes.get("hMerge"), attributes.get("vMerge")})

    def end(self, tag: str) -> None:
        if tag in {"a:t", "m:t"}:
            self._is_text = False
        elif tag == "a:p":
            self._end_paragraph("".join(self._pieces).strip())
            self._pieces = []
        elif tag == "a:tc" and self._row is not None:
            if self._cell and not self._is_merged:
                self._row.append(" ".join(self._cell))
            self._is_merged = False
        elif tag == "a:tr" and self._row is not None:
            self._add(" | ".join(self._row))
            self._row = None
        elif tag == "p:sp":
            self._placeholder = ""

    def text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)

    def _end_paragraph(self, said: str) -> None:
        if self._row is not None:
            self._cell += said.split()
        elif self._placeholder in _TITLES:
            self.titles.append(said)
        elif self._placeholder not in _MARGINS:
            self._add(said)

    def _add(self, paragraph: str) -> None:
        if paragraph.strip():
            self.paragraphs.append(paragraph)


PPTX = office_format(ContentType.PPTX, "a PowerPoint presentation", read_pptx)
