"""UTF-16 and UTF-32 without a byte order mark, recognised by the pattern of their bytes."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

# Those that few texts have: neither white space, nor what logs, manuals and data files have for colours, overstrikes,
# other alphabets and separators. Random bytes have 7 %, and are no UTF-8.
_CONTROLS = bytes(byte for byte in (*range(0x20), 0x7F) if byte not in b"\b\t\n\v\f\r\x0e\x0f\x1a\x1b\x1c\x1d\x1e\x1f")
_MOST_CONTROLS = 3
_MOST_OF_UTF_8 = 0.1
_MOST_OF_OTHERS = 0.04

_SAMPLE = 64 * 1024
# Of real texts nearly none; of random bytes a seventh is unassigned, private, a control or half a character.
_NO_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})
_MOST_WRONG = 0.01
_PLAIN = frozenset(b"\t\n\r") | frozenset(range(0x20, 0x7F))
_LEAST_PLAIN = 0.25
# The bytes that say which alphabet it is repeat; of a text in bytes every other byte is like the rest.
_LEAST_CONTRAST = 1.5
_LEAST_UNITS = 8


def is_binary(content: bytes) -> bool:
    """Says whether bytes hold more control characters than texts in bytes do; wide texts do as well."""
    found = controls(content)
    if found <= _MOST_CONTROLS:
        return False
    return found > len(content) * (_MOST_OF_UTF_8 if _is_utf_8(content) else _MOST_OF_OTHERS)


def controls(content: bytes) -> int:
    return len(content) - len(content.translate(None, _CONTROLS))


def unmarked_encoding(content: bytes) -> str | None:
    """Returns UTF-16-LE, UTF-16-BE, UTF-32-LE or UTF-32-BE when the bytes are plainly text in that.

    What is text in bytes as well is taken for that, such as an even number of letters that would be Chinese.
    """
    sample = content[: min(_SAMPLE, len(content) // 2 * 2)]
    if len(sample) < 4 or not (is_binary(sample) or (b"\x00" in sample and not _is_utf_8(sample))):
        return None
    for encoding in ("UTF-32-LE", "UTF-32-BE"):
        if _reads(sample[: len(sample) // 4 * 4], encoding):
            return encoding
    return may_be_utf_16(sample)


def may_be_utf_16(content: bytes) -> str | None:
    """Returns UTF-16-LE or UTF-16-BE if the bytes have its pattern: half of them repeat more than the others."""
    sample = content[: min(_SAMPLE, len(content) // 2 * 2)]
    units = list(zip(sample[0::2], sample[1::2], strict=True))
    little = sum(not high and low in _PLAIN for low, high in units)
    big = sum(not high and low in _PLAIN for high, low in units)
    encoding = "UTF-16-LE" if little > big else "UTF-16-BE"
    if max(little, big) < len(units) * _LEAST_PLAIN:
        full = [unit for unit in units if all(unit)]
        first, second = (_repetition([unit[at] for unit in full]) for at in (0, 1))
        if len(full) < _LEAST_UNITS or max(first, second) < _LEAST_CONTRAST * min(first, second):
            return None
        encoding = "UTF-16-LE" if second > first else "UTF-16-BE"
    return encoding if _reads(sample, encoding) else None


def _reads(sample: bytes, encoding: str) -> bool:
    text = sample.decode(encoding, "replace")
    counted = Counter(text)
    wrong = sum(many for char, many in counted.items() if _is_wrong(char))
    return wrong <= len(text) * _MOST_WRONG


def _is_wrong(char: str) -> bool:
    return char == "\ufffd" or (unicodedata.category(char) in _NO_TEXT and not char.isspace())


def _repetition(column: Sequence[int]) -> float:
    """Returns how probable it is that two bytes of a column are the same."""
    return sum(many * many for many in Counter(column).values()) / max(len(column), 1) ** 2


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
