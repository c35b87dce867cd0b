"""From bytes to characters: byte order marks first, then UTF-8, then the declared encoding, then what the bytes look
like.
"""

import codecs
import re
from contextlib import suppress

from chardetng_py import detect

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Invalid
from weft_retrieval.analysis.characters import LOWER, UPPER
from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.unmarked import may_be_utf_16, unmarked_encoding

# The encodings of the WHATWG standard, by Python's names: the few that others are a part of stand for them as well.
_WHATWG = {
    **{f"cp{number}": f"cp{number}" for number in (866, 874, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258)},
    **{f"iso8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{name: name for name in ("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "euc_jp", "iso2022_jp", "gb18030")},
    **dict.fromkeys(("ascii", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("iso8859-9",), "cp1254"),
    **dict.fromkeys(("iso8859-11", "tis-620"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("big5", "big5hkscs", "cp950"), "big5hkscs"),
    **dict.fromkeys(("shift_jis", "cp932"), "cp932"),
    **dict.fromkeys(("euc_kr", "cp949"), "cp949"),
}
# Labels that Python does not know, or knows as something else.
_LABELS = {
    "dos-874": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "ks_c_5601-1987": "cp949",
    "macintosh": "mac-roman",
    "windows-874": "cp874",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gb18030",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-roman": "mac-roman",
    "x-sjis": "cp932",
    "x-x-big5": "big5hkscs",
}
# What old Macs, DOS and Unix wrote too; the detector knows none of it, and takes it for what comes first here.
_OLD_KIN = {
    "cp1252": ("cp1252", "iso8859-15", "mac-roman", "cp850", "cp852"),
    "cp1251": ("cp1251", "mac-cyrillic"),
    "cp1250": ("cp1250", "cp850", "cp852"),
}
# Inside of a word: what is no letter, but for quotes, dashes and hyphens; and a capital after a small letter.
# Anywhere: controls, and the sign that is the euro in Latin-9.
_MISPLACED = re.compile(
    rf"(?<=[{LOWER}{UPPER}])"
    r"(?:(?![\xad\u2018\u2019\u201c\xab\xbb\u2013\u2014\u2026])[^\x00-\x7f\w]|[\xb2\xb3\xb9\xbc-\xbe])"
    rf"(?=[{LOWER}])|(?<=[{LOWER}])(?![A-Z])[{UPPER}]|[\x80-\x9f\ufffd\xa4]"
)
# More than any word of Latin-1 has: editors and servers call texts of all alphabets that.
_OTHER_ALPHABET = re.compile(rb"[\xc0-\xff]{4,}")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_SMALL_LETTER = re.compile(rb"[a-z ]")
_LEAST_SMALL_LETTERS = 0.3
_MOST_AT_SIGNS = 0.05
_ASCII = bytes(range(0x80))
_MOST_BEYOND_ASCII = 0.5
_BROKEN = re.compile(r"[\x80-\x9f\ufffd]")
_SAMPLE = 64 * 1024
_FEW = 3
_MOST_BROKEN = 0.01


def unicode_of(content: bytes, label: str = "") -> str:
    """Returns a document's characters; raises Invalid(UNREADABLE_DOCUMENT) when no encoding fits.

    A few broken bytes do not cost the others. `label` is what the document says of its encoding.
    """
    wide = declared_encoding(content) or unmarked_encoding(content) or "UTF-8"
    if not wide.startswith("UTF-8"):
        return _first_fitting(content, [wide])
    content = content.removeprefix(codecs.BOM_UTF8).strip(b"\x00")  # blocks are padded, and rotated logs have holes
    if b"\x1b$" in content and (text := _strict(content, "iso2022_jp") or _strict(content, "iso2022_kr")):
        return text
    if _is_mostly_utf_8(content):
        return content.decode("UTF-8", _WINDOWS_1252_WHERE_BROKEN)
    named = _named(label)
    if named == ["cp1252"] and _is_of_other_alphabet(content):
        named = []
    return _first_fitting(content, [*named, *_guessed(content)])


def _is_mostly_utf_8(content: bytes) -> bool:
    """Returns whether more non-ASCII characters are valid than broken, as in logs that many programs write."""
    if _strict(content, "UTF-8") is not None:
        return True
    text = content.decode("UTF-8", "replace")
    broken = text.count("\ufffd")
    return 2 * broken < len(text) - len(text.encode("ascii", "ignore"))


def _is_of_other_alphabet(content: bytes) -> bool:
    in_words = sum(map(len, _OTHER_ALPHABET.findall(content)))
    return 2 * in_words > len(content.translate(None, _ASCII))


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - it is registered for decoding alone
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_WINDOWS_1252_WHERE_BROKEN = "windows-1252 where broken"
codecs.register_error(_WINDOWS_1252_WHERE_BROKEN, _as_windows_1252)


def _strict(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _named(label: str) -> list[str]:
    """Returns the codec that a label names by the WHATWG standard; None for other labels."""
    name = label.strip().lower()
    with suppress(LookupError, ValueError):
        codec = _LABELS.get(name) or _WHATWG.get(codecs.lookup(name).name)
        return [codec] if codec else []
    return []


def _guessed(content: bytes) -> list[str]:
    """Returns the codec that browsers would choose, or an older one; None if the bytes look like no text."""
    if b" " not in content and content.count(b"@") > len(content) * _MOST_AT_SIGNS:
        return []  # EBCDIC, in which the at sign's byte is a space, has pages that only their country tells apart.
    [guess] = _named(detect(content)) or ["cp1252"]
    if guess == "cp1252":
        # The detector's answer when it does not know.
        if len(_SMALL_LETTER.findall(content)) < len(content) * _LEAST_SMALL_LETTERS and (
            wide := may_be_utf_16(content)
        ):
            return [wide]  # Chinese or Japanese without a space
        if len(content.translate(None, _ASCII)) > len(content) * _MOST_BEYOND_ASCII:
            return []
    beyond_ascii = _BEYOND_ASCII.search(content)
    sample = content[max(beyond_ascii.start() - 1, 0) :][:_SAMPLE] if beyond_ascii else b""
    kin = _OLD_KIN.get(guess, (guess,))
    return [min(kin, key=lambda codec: len(_MISPLACED.findall(sample.decode(codec, "replace"))))]


def _first_fitting(content: bytes, codecs_to_try: list[str]) -> str:
    tried = []
    for codec in codecs_to_try:
        text = content.decode(codec, "replace")
        broken = len(_BROKEN.findall(text))
        if broken <= max(_FEW, len(text) * _MOST_BROKEN):
            return text
        tried.append(f"as {codec} {broken} of {len(text)} characters are broken")
    try:
        content.decode("UTF-8")
    except UnicodeDecodeError as error:
        tried.append(f"it is not UTF-8 at byte {error.start}, and like no other")
    raise unreadable(
        f"the document's encoding is unknown: {', '.join(tried)}; convert it to UTF-8, for example with "
        "iconv -f ENCODING -t UTF-8"
    )


def unreadable(message: str) -> Invalid:
    return Invalid(error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT, message)
