"""Characters: which of them make up words, and which are equivalent in a search.

What Lucene's analyzers do script by script (ICUFoldingFilter, ASCIIFoldingFilter, ArabicNormalizer, PersianNormalizer,
IndicNormalizer, DecimalDigitFilter), for a text whose language is not known.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain
from typing import Final


def _span(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(chain.from_iterable(range(first, last + 1) for first, last in ranges))


def _class(points: Iterable[int]) -> str:
    """Returns the inside of a regular expression's brackets."""
    ranges: list[list[int]] = []
    for point in sorted(points):
        if ranges and point == ranges[-1][1] + 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in ranges)


# Words stand without spaces between them, or, in Korean, with particles that belong to no word.
_IDEOGRAPHIC = _span(
    (0x1100, 0x11FF), (0x3005, 0x3007), (0x3021, 0x303C), (0x3041, 0x318F), (0x31A0, 0x31BF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0xA48F), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0x16FE0, 0x18DFF),
    (0x1AFF0, 0x1B2FF),
)  # fmt: skip
# Thai, Lao, Burmese, Khmer, Tai Le, New Tai Lue, Tai Tham, Balinese, Javanese, Myanmar Extended, Tai Viet.
_UNSPACED = _span(
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17DD), (0x1950, 0x19DF), (0x1A20, 0x1AAD), (0x1B00, 0x1B4C),
    (0xA980, 0xA9FE), (0xAA60, 0xAADF),
)  # fmt: skip
_RARE_IDEOGRAPHS: Final = r"\U00020000-\U0003fffd"
_LETTERS: Final = {point: unicodedata.category(chr(point)) for point in range(0x80, 0x20000)}
_DENSE: Final = _IDEOGRAPHIC | _UNSPACED

IDEOGRAPHIC: Final = _class(point for point in _IDEOGRAPHIC if _LETTERS[point][0] in "LMN") + _RARE_IDEOGRAPHS
UNSPACED: Final = _class(point for point in _UNSPACED if _LETTERS[point][0] in "LM")
MARKS: Final = _class(point for point, kind in _LETTERS.items() if kind[0] == "M")
UPPER: Final = "A-Z" + _class(point for point, kind in _LETTERS.items() if kind in {"Lu", "Lt"})
LOWER: Final = "a-z" + _class(
    point for point, kind in _LETTERS.items() if kind[0] in "LM" and kind not in {"Lu", "Lt"} and point not in _DENSE
)
# Digits of all scripts are 0-9 by then; what is left are numbers like the Roman ones.
WORD: Final = f"{UPPER}{LOWER}0-9" + _class(
    point for point, kind in _LETTERS.items() if kind in {"Nd", "Nl", "No"} and point not in _DENSE
)
PICTURES: Final = "[\U0001f1e6-\U0001f1ff]{2}|[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff]"

_SIGNS: Final = {
    **dict.fromkeys("\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u2032\u00b4\u05f3\uff07", "'"),
    **dict.fromkeys("\u2010\u2011\u2043\u2212\ufe63\uff0d\u05be", "-"),
    "\u05f4": '"',
    "\u2024": ".",
    # Arabic marks of decimals and thousands, and the sharp that some write for C#.
    "\u066b": ".",
    "\u066c": ",",
    "\u266f": "#",
    **dict.fromkeys("\u200b\u2120\u2122", " "),
    # Or 1\u00bd would become 11/2.
    **{chr(point): f" {chr(point)}" for point in (0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F))},
    # Invisible characters, which UAX #29 ignores (Format, Extend).
    **dict.fromkeys("\u00ad\u034f\u061c\u180e\u200c\u200d\u200e\u200f\ufeff", ""),
    **dict.fromkeys(
        map(chr, _span((0x202A, 0x202E), (0x2060, 0x2069), (0xFE00, 0xFE0F), (0x1F3FB, 0x1F3FF), (0x20DD, 0x20E4))), ""
    ),
    **dict.fromkeys(map(chr, range(0xE0100, 0xE01F0)), ""),
}
_SIGN: Final = re.compile(f"[{_class(map(ord, _SIGNS))}]")
_LETTER_FORMS = str.maketrans(
    {
        **{chr(point): str(unicodedata.decimal(chr(point))) for point, kind in _LETTERS.items() if kind == "Nd"},
        # Arabic: vowel signs and tatweel go; alef, yeh, kaf, heh and teh marbuta have one form each.
        **dict.fromkeys(map(chr, _span((0x0610, 0x061A), (0x064B, 0x0653), (0x0656, 0x065F), (0x06D6, 0x06DC)))),
        **dict.fromkeys(map(chr, _span((0x06DF, 0x06E4), (0x06E7, 0x06E8), (0x06EA, 0x06ED)))),
        **dict.fromkeys("\u0640\u0670", None),
        **dict.fromkeys("\u0622\u0623\u0625\u0671", "\u0627"),
        **dict.fromkeys("\u0649\u06cc\u06d2", "\u064a"),
        **dict.fromkeys("\u0629\u06c0\u06c1\u06c2\u06c3\u06d5", "\u0647"),
        "\u06a9": "\u0643",
        # Hebrew points and accents.
        **dict.fromkeys(map(chr, _span((0x0591, 0x05BD), (0x05C1, 0x05C2), (0x05C4, 0x05C5)))),
        **dict.fromkeys("\u05bf\u05c7", None),
        # Indic scripts: the nukta is left out as often as not, and so is the difference of the two nasal signs.
        **dict.fromkeys("\u093c\u09bc\u0a3c\u0abc\u0b3c", None),
        **{chr(0x0901 + block): chr(0x0902 + block) for block in range(0, 0x300, 0x80)},
        # Bengali khanda ta, and Malayalam chillus: a consonant without its vowel, in one character.
        "\u09ce": "\u09a4\u09cd",
        **{chr(at): f"{letter}\u0d4d" for at, letter in enumerate("\u0d23\u0d28\u0d30\u0d32\u0d33\u0d15", 0x0D7A)},
        "\u0451": "\u0435",
        "\u0401": "\u0415",
        "\u0131": "i",
    }
)
# Letters that no normal form takes apart, as ASCIIFoldingFilter has them.
_LATIN = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ł": "l", "ŋ": "n", "ŧ": "t", "ə": "e",
     "ɓ": "b", "ɗ": "d", "ƙ": "k", "ɛ": "e", "ɔ": "o"}
)  # fmt: skip
# Where a nasal is spoken where the consonant after it is, Devanagari and its kin write a dot as often (हिन्दी, हिंदी).
_DOTTED: Final = {
    chr(block + nasal) + chr(block + 0x4D) + chr(block + consonant): chr(block + 0x02) + chr(block + consonant)
    for block in (0x0900, 0x0A80, 0x0C00, 0x0C80)
    for nasal in (0x19, 0x1E, 0x23, 0x28, 0x2E)
    for consonant in range(nasal - 4, nasal)
}
_NASAL = re.compile(f"[{_class({ord(form[0]) for form in _DOTTED})}][{_class({ord(form[1]) for form in _DOTTED})}].")
_ACCENTS = re.compile("[\u0300-\u036f]")
_CYRILLIC = re.compile("[\u0400-\u052f]")
_HAS_LETTER_FORM = re.compile(f"[{_class(_LETTER_FORMS)}]")
_PERSIAN_JOINT = re.compile("(?<=[\u0600-\u06ff])\u200c(?=[\u0600-\u06ff])")
# A word that the end of a line broke.
_BROKEN = re.compile(r"(?<=[^\W\d_])-\r?\n[ \t]*(?=[^\W\d_])")
_SOFTLY_BROKEN = re.compile(r"\u00ad\r?\n[ \t]*")


def legible(text: str) -> str:
    """Returns a text whose letters, digits and signs have one form each; case and accents stay."""
    if not text.isascii():
        if "\u00ad" in text:
            text = _SOFTLY_BROKEN.sub("", text)
        if "\u200c" in text:
            text = _PERSIAN_JOINT.sub("-", text)
        text = _SIGN.sub(lambda sign: _SIGNS[sign[0]], text)
        text = unicodedata.normalize("NFKC", text)
        if _HAS_LETTER_FORM.search(text):
            text = text.translate(_LETTER_FORMS)
        text = _NASAL.sub(lambda nasal: _DOTTED.get(nasal[0], nasal[0]), text)
    return _BROKEN.sub("-", text) if "-\n" in text or "-\r" in text else text


def without_accents(word: str) -> str:
    """Returns a word in lower case without what only some people write: é is e, ø is o, a final sigma a sigma.

    Letters of their own stay: й is not и.
    """
    if word.isascii():
        return word
    if not _CYRILLIC.search(word):
        word = unicodedata.normalize("NFD", word).translate(_LATIN)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", word))
