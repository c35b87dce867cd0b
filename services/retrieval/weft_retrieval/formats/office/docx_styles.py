"""Styles and numbering of a Word document: which paragraphs are headings, and how lists are numbered."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from weft_retrieval.formats.office.xml_events import Attributes, elements

TITLE_LEVEL = 1
_HEADING_NAME = re.compile(r"heading ?([1-9])", re.IGNORECASE)
_DEEPEST_STYLE = 32
"""Styles may be based on each other in a circle."""
_PLACEHOLDER = re.compile(r"%([1-9])")
_ROMAN = {1000: "m", 900: "cm", 500: "d", 400: "cd", 100: "c", 90: "xc", 50: "l", 40: "xl", 10: "x", 9: "ix", 5: "v"}
_ROMAN |= {4: "iv", 1: "i"}
_MOST_ROMAN, _MOST_LETTERS = 3999, 26 * 8


def outline_level(value: str) -> int | None:
    """Returns the level of `w:outlineLvl`, whose 9 is body text (ECMA-376-1, 17.3.1.20); None when it is no number."""
    return heading_level(int(value) + 1) if value.isdecimal() and len(value) == 1 else None


def heading_level(number: int) -> int:
    """Returns the level of `Heading 1` and so on, below the title; 0 when there is no such heading."""
    return number + TITLE_LEVEL if number <= 9 else 0


@dataclass
class Style:
    """A paragraph style. `level` is 0 for body text, and None when the style that it is based on decides."""

    based_on: str = ""
    level: int | None = None
    list_id: str = ""
    list_level: int = 0


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, content: bytes, name: str) -> None:
        self._styles: dict[str, Style] = {}
        style = Style()
        for tag, attributes in elements(content, name):
            value = attributes.get("w:val", "")
            if tag == "w:style":
                style = self._styles[attributes.get("w:styleId", "")] = Style()
            elif tag == "w:name":
                style.level = _level_by_name(value)
            elif tag == "w:basedOn":
                style.based_on = value
            elif tag == "w:outlineLvl":
                level = outline_level(value)
                style.level = style.level if level is None else level
            elif tag == "w:numId":
                style.list_id = value
            elif tag == "w:ilvl":
                style.list_level = list_level(value)

    def level(self, style_id: str) -> int:
        """Returns the level of a heading, 0 for body text."""
        if style_id not in self._styles:
            return _level_by_name(style_id) or 0
        return next((style.level for style in self._chain(style_id) if style.level is not None), 0)

    def list_of(self, style_id: str) -> tuple[str, int]:
        """Returns the list that a style's paragraphs are in, and at which level."""
        return next(((style.list_id, style.list_level) for style in self._chain(style_id) if style.list_id), ("", 0))

    def _chain(self, style_id: str) -> list[Style]:
        chain: list[Style] = []
        while (style := self._styles.get(style_id)) and len(chain) < _DEEPEST_STYLE:
            chain.append(style)
            style_id = style.based_on
        return chain


def list_level(value: str) -> int:
    """Returns a list's level, 0 to 8."""
    return int(value) if value.isdecimal() and len(value) == 1 and value != "9" else 0


def _level_by_name(name: str) -> int | None:
    """Built-in styles have these names in every language of Word; their ids are translated."""
    if name.lower() == "title":
        return TITLE_LEVEL
    found = _HEADING_NAME.fullmatch(name)
    return heading_level(int(found[1])) if found else None


@dataclass
class _ListLevel:
    start: int = 1
    format: str = "decimal"
    text: str = ""
    is_legal: bool = False


@dataclass
class _List:
    levels: defaultdict[int, _ListLevel] = field(default_factory=lambda: defaultdict(_ListLevel))
    counts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Numbers lists as Word does (ECMA-376-1, 17.9): lists of one definition count on, unless told to start anew."""

    def __init__(self, content: bytes, name: str) -> None:
        self._definitions: defaultdict[str, _List] = defaultdict(_List)
        self._lists: dict[str, str] = {}
        self._starts: dict[tuple[str, int], int] = {}
        level, owner, in_list, override = _ListLevel(), "", False, 0
        for tag, attributes in elements(content, name):
            value = attributes.get("w:val", "")
            if tag in {"w:abstractNum", "w:num"}:
                in_list = tag == "w:num"
                owner = attributes.get("w:numId" if in_list else "w:abstractNumId", "")
            elif tag == "w:abstractNumId" and in_list:
                self._lists[owner] = value
            elif tag == "w:lvlOverride":
                override = list_level(attributes.get("w:ilvl", ""))
            elif tag == "w:startOverride":
                self._starts[owner, override] = _number(value, 1)
            elif tag == "w:lvl":
                # A level that a list overrides is a definition of its own, which counts with the others.
                definition = _List() if in_list else self._definitions[owner]
                level = definition.levels[list_level(attributes.get("w:ilvl", ""))]
            else:
                _describe(level, tag, attributes)

    def label(self, list_id: str, level: int) -> str:
        """Returns the label of the next paragraph of a list; "" if it has none."""
        if list_id not in self._lists:
            return ""
        definition = self._definitions[self._lists[list_id]]
        own = definition.levels[level]
        if own.format in {"bullet", "none"}:
            return "-" if own.format == "bullet" else ""
        counts = definition.counts
        start = self._starts.pop((list_id, level), None)
        counts[level] = start if start is not None else counts.get(level, own.start - 1) + 1
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]

        def number(placeholder: re.Match[str]) -> str:
            at = int(placeholder[1]) - 1
            shown = definition.levels[at]
            return _written(counts.get(at, shown.start), "decimal" if own.is_legal else shown.format)

        return _PLACEHOLDER.sub(number, own.text)


def _describe(level: _ListLevel, tag: str, attributes: Attributes) -> None:
    value = attributes.get("w:val", "")
    if tag == "w:start":
        level.start = _number(value, 1)
    elif tag == "w:numFmt":
        level.format = value
    elif tag == "w:lvlText":
        level.text = value[:64]
    elif tag == "w:isLgl":
        level.is_legal = True


def _number(value: str, default: int) -> int:
    return int(value) if value.isdecimal() and len(value) < 10 else default


def _written(number: int, how: str) -> str:
    """Returns a number as a list shows it; in digits where a script has none of ours."""
    written = str(number)
    if how in {"lowerLetter", "upperLetter"} and 0 < number <= _MOST_LETTERS:
        written = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
    elif how in {"lowerRoman", "upperRoman"} and 0 < number <= _MOST_ROMAN:
        written = ""
        for worth, letters in _ROMAN.items():
            written += letters * (number // worth)
            number %= worth
    elif how == "decimalZero":
        written = f"{number:02}"
    return written.upper() if how.startswith("upper") else written
