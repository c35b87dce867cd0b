"""How a workbook shows its numbers: as dates, shares, with so many digits (ECMA-376-1, 18.8.30 and 31)."""

import re
from datetime import datetime, timedelta
from functools import lru_cache

from weft_retrieval.formats.office.xml_events import elements

# Formats that every workbook has without saying so: dates and times, here and in East Asia.
_BUILT_IN = {1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00"}
_BUILT_IN |= dict.fromkeys((14, 15, 16, 17, *range(27, 32), *range(34, 37), *range(50, 59)), "yyyy-mm-dd")
_BUILT_IN |= dict.fromkeys((18, 19, 20, 21, 32, 33, 45, 47), "h:mm:ss") | {22: "yyyy-mm-dd h:mm", 46: "[h]:mm:ss"}
_BUILT_IN |= {37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00"}

# What in a format is shown as it is, or only says how: quoted text, one escaped letter, a space, a fill, a condition.
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE | re.DOTALL)
_ELAPSED = re.compile(r"\[[hms]+\]", re.IGNORECASE)
_SEMICOLON = re.compile(rf"{_LITERALS.pattern}|;", _LITERALS.flags)
_PIECE = re.compile(
    r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|([$€£¥% ])|_.|\*.|\[[^\]]*\]|(?P<digits>[0#?.,]+)', re.DOTALL
)
_LONGEST_FORMAT = 255
_MOST_DAYS = 2_958_466
"""The day after 9999-12-31."""


class NumberFormats:
    """Shows numbers as the cells' styles have it."""

    def __init__(self, content: bytes, *, since_1904: bool) -> None:
        self._since_1904 = since_1904
        codes, self._styles, in_cells = dict(_BUILT_IN), list[str](), False
        for tag, given in elements(content, "styles.xml"):
            if tag == "s:numFmt":
                codes[_number(given.get("numFmtId", ""))] = given.get("formatCode", "")[:_LONGEST_FORMAT]
            elif tag in {"s:cellXfs", "s:cellStyleXfs", "s:cellStyles", "s:dxfs"}:
                in_cells = tag == "s:cellXfs"
            elif tag == "s:xf" and in_cells:
                self._styles.append(codes.get(_number(given.get("numFmtId", "")), ""))

    def shown(self, value: str, style: str) -> str:
        """Returns what a cell with a number shows; what is no number stays as it is."""
        try:
            number = float(value)
        except ValueError:
            return value
        at = _number(style)
        code = self._styles[at] if at < len(self._styles) else ""
        section = _section(code, number)
        if _is_date(section):
            return _date(number, section, since_1904=self._since_1904) or _plain(number)
        return _formatted(number, section)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _section(code: str, number: float) -> str:
    """Returns the part of a format that a number is shown by: they are for positive ones, negative ones, and zero."""
    sections = _SEMICOLON.sub(lambda found: "\n" if found[0] == ";" else found[0], code).split("\n")
    if number < 0 and len(sections) > 1:
        return sections[1]
    return sections[2] if number == 0 and len(sections) > 2 else sections[0]


@lru_cache(1024)
def _is_date(section: str) -> bool:
    bare = _LITERALS.sub("", section).lower()
    return bool(_ELAPSED.search(bare)) or ("general" not in bare and any(letter in bare for letter in "ymdhs"))


def _date(number: float, section: str, *, since_1904: bool) -> str:
    """Returns a date, a time or both, as ISO 8601 has them; "" when there is no such day."""
    bare = _LITERALS.sub("", section).lower()
    seconds = round(number * 86_400)
    if _ELAPSED.search(bare):
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not 0 <= number < _MOST_DAYS:
        return ""
    has_time = "h" in bare or "s" in bare
    if not ("y" in bare or "d" in bare) and has_time:
        return _time(seconds % 86_400)
    day = seconds // 86_400 if has_time else int(number)
    # Excel has a 29th of February in 1900 (18.17.4.1).
    epoch = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 31 if day < 60 else 30)  # noqa: DTZ001 - no zone
    try:
        shown = f"{epoch + timedelta(days=day):%Y-%m-%d}"
    except OverflowError:
        return ""
    return f"{shown} {_time(seconds % 86_400)}" if has_time and seconds % 86_400 else shown


def _time(seconds: int) -> str:
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    return f"{clock}:{seconds % 60:02}" if seconds % 60 else clock


def _formatted(number: float, section: str) -> str:
    """Returns a number with the digits that its format has, a share in percent, and its currency; without grouping."""
    bare = _LITERALS.sub("", section)
    if not section or "general" in bare.lower() or "E" in bare or "?/" in bare or not any(c in bare for c in "0#?"):
        return _plain(number)
    whole, point, fraction = bare.partition(".")
    digits = sum(fraction.count(place) for place in "0#?")
    if "%" in bare:
        number *= 100
    # A comma at the end of the digits divides by a thousand.
    scale = len(bare.rstrip("% ")) - len(bare.rstrip("% ").rstrip(","))
    shown = f"{abs(number) / 1000**scale:.{digits}f}"
    if "0" not in fraction and point:
        shown = shown.rstrip("0").rstrip(".")
    if set(whole) <= {"0"}:
        head, point, tail = shown.partition(".")
        shown = head.zfill(len(whole)) + point + tail
    sign = "-" if number < 0 and shown.strip("0.") else ""
    before, after = _units(section)
    return f"{sign}{before}{shown}{after}"


def _units(section: str) -> tuple[str, str]:
    """Returns what a format puts before and behind the digits: currencies, units, the percent sign."""
    said = ["", ""]
    for piece in _PIECE.finditer(section):
        if piece["digits"]:
            said = [said[0] + said[1], ""]
        else:
            said[1] += (piece[1] or piece[2] or piece[3] or piece[4] or "").strip("()")
    return said[0].lstrip(), said[1].rstrip()


def _plain(number: float) -> str:
    """Returns a number with the 15 digits that Excel keeps, and without a point when it is whole."""
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.15g}"
