"""Named things: France is not Spain."""

from typing import Final

from weft_cache.guards.words import FUNCTION_WORDS, Question, stem

_KIN: Final = 4
_LONGEST_INITIALS: Final = 12
_ALIASES: Final = {
    "usa": "america", "us": "america", "states": "america", "american": "america", "americans": "america",
    "uk": "britain", "british": "britain", "england": "britain", "kingdom": "britain", "united": "",
    "eu": "europe", "uae": "emirates", "nyc": "york", "la": "angeles", "sf": "francisco", "js": "javascript",
    "fb": "facebook", "ig": "instagram", "ml": "machine", "ai": "artificial", "pm": "minister", "ceo": "executive",
}  # fmt: skip


def names_differ(asked: Question, stored: Question) -> bool:
    """Each text names something that the other has no trace of.

    Only one that names more is left to the verifier: `Trump` and `Donald Trump` are one.
    """
    return bool(_missing(asked, stored)) and bool(_missing(stored, asked))


def _missing(named: Question, other: Question) -> list[str]:
    known = {_plain(word) for word in other.words}
    beginnings, initials = {word[:_KIN] for word in known}, _initials(other)
    return [name for name in _names(named) if not _has_kin(name, known, beginnings) and name not in initials]


def _names(question: Question) -> list[str]:
    """Capitalised words. Of a first word nobody knows, and where nearly all are capitalised none stands out."""
    inner = question.written[1:]
    matter = [word for word in inner if word.lower().partition("'")[0] not in FUNCTION_WORDS]
    capitalised = [word for word in matter if word[0].isupper()]
    if len(inner) > 6 and len(capitalised) > 0.7 * len(matter):
        return []
    return list(filter(None, (_plain(word.lower()) for word in capitalised)))


def _plain(word: str) -> str:
    bare = word.partition("'")[0]
    return _ALIASES.get(bare, stem(bare))


def _has_kin(name: str, words: set[str], beginnings: set[str]) -> bool:
    """India, Indian and Indians are kin."""
    return name in words or (len(name) >= _KIN and name[:_KIN] in beginnings)


def _initials(question: Question) -> set[str]:
    """What capitalised words in a row may be abbreviated to."""
    letters = "".join(word[0] for word in question.written if word[0].isupper()).lower()
    return {letters[at : at + size] for size in range(1, _LONGEST_INITIALS + 1) for at in range(len(letters))}
