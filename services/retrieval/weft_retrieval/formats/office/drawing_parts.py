"""Charts and diagrams of Office documents: parts of their own, with the words and numbers that they show."""

from weft_retrieval.formats.office.package import Package
from weft_retrieval.formats.office.xml_events import Attributes, read_xml

# Where a reference to such a part stands, and the attribute that has its id.
_REFERENCES = {"c:chart": "r:id", "dgm:relIds": "r:dm"}


class DrawingParts:
    """Reads what the drawings of one part refer to, each once."""

    def __init__(self, package: Package, part: str) -> None:
        self._package = package
        self._related = package.related(part)

    def texts(self, tag: str, attributes: Attributes) -> list[str]:
        """Returns the paragraphs behind an element, none when it refers to no chart or diagram."""
        reference = attributes.get(_REFERENCES.get(tag, ""), "")
        relation = self._related.pop(reference, None) if reference else None
        if relation is None or relation.target not in self._package.archive:
            return []
        return _paragraphs(self._package, relation.target)


def drawn(package: Package, part: str) -> list[str]:
    """Returns the paragraphs of a drawing: of its shapes, and of the charts and diagrams in it."""
    return _paragraphs(package, part, DrawingParts(package, part))


def _paragraphs(package: Package, part: str, within: DrawingParts | None = None) -> list[str]:
    found = _Texts(within)
    read_xml(package.read(part), found, part)
    return found.paragraphs


class _Texts:
    """Gathers paragraphs of drawings, and each series of a chart as a paragraph of its own."""

    def __init__(self, within: DrawingParts | None) -> None:
        self.paragraphs: list[str] = []
        self._within = within
        self._pieces: list[str] = []
        self._value: list[str] | None = None
        self._role = ""
        self._series: dict[str, list[str]] = {}

    def start(self, tag: str, attributes: Attributes) -> None:
        if self._within:
            self.paragraphs += self._within.texts(tag, attributes)
        if tag in {"a:t", "c:v"}:
            self._value = []
        elif tag == "c:ser":
            self._series = {"c:tx": [], "c:cat": [], "c:val": []}
        elif tag in {"c:tx", "c:cat", "c:val", "c:xVal", "c:yVal"}:
            self._role = {"c:xVal": "c:cat", "c:yVal": "c:val"}.get(tag, tag)

    def end(self, tag: str) -> None:
        if tag in {"a:t", "c:v"} and self._value is not None:
            said, self._value = "".join(self._value), None
            if tag == "a:t":
                self._pieces.append(said)
            elif self._role in self._series:
                self._series[self._role].append(said)
        elif tag == "a:p":
            self.paragraphs.append("".join(self._pieces))
            self._pieces = []
        elif tag == "c:ser":
            self.paragraphs.append(_series(self._series))
            self._series = {}

    def text(self, text: str) -> None:
        if self._value is not None:
            self._value.append(text)


def _series(series: dict[str, list[str]]) -> str:
    """Returns a series as `name: category value; …`."""
    names, values = series.get("c:cat", []), series.get("c:val", [])
    shown = [f"{name} {value}" for name, value in zip(names, values, strict=False)] or values
    return ": ".join(filter(None, (" ".join(series.get("c:tx", [])), "; ".join(shown))))
