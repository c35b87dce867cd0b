"""Who is spoken of, and what is asked for: my and your, his and her, who and when, is and will be."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from weft_cache.guards.forms import IRREGULAR, listed
from weft_cache.guards.words import FUNCTION_WORDS, Question, are_alike

_PERSONS: Final = dict.fromkeys(listed("i me my mine myself we us our ours ourselves"), 1) | dict.fromkeys(
    listed("you your yours yourself u ur"), 2
)
_FEMININE: Final = listed("she her hers herself")
_MASCULINE: Final = listed("he him his himself")
_ACTING: Final = frozenset({"i", "we"})
_ACTED_ON: Final = frozenset({"me", "us"})
_ASKING: Final = frozenset({"what", "who", "where", "when", "which"})
_BEING: Final = (("is",), ("are",), ("was",), ("were",))
_SINGLE: Final = frozenset({"my", "mine", "your", "yours"})
_SAID_OF_ONE: Final = frozenset({("am", "i"), ("are", "you"), ("was", "i"), ("were", "you")})
_WORD_OF: Final = {"whom": "who", "whose": "who"}
_TOLD_APART: Final = frozenset({"who", "when", "where", "why"})
_MEASURES: Final = listed("many much long old far often tall big deep fast high heavy wide large soon")
_WH: Final = _ASKING | listed("how why whom whose")
_SHARES: Final = frozenset({"all", "most", "some"})
_OBLIGED: Final = listed("must mandatory obligatory compulsory required obliged")
_ALLOWED: Final = listed("may can could might allowed permitted optional")
_OBLIGING: Final = frozenset({(verb, "to") for verb in ("have", "has", "need", "needs", "got")})
_PAST: Final = frozenset({"did", "was", "were"})
_OPENING: Final = 5
# Asked of whoever answers, these say nothing of the two.
_POLITE: Final = re.compile(
    r"\b(?:(?:can|could|would|will|do|did) you (?:please |kindly |mind )?(?:to )?"
    r"(?:tell|show|give|explain|help|teach|know|think(?! (?:of|about) (?:me|my)\b)"
    r"|recommend|suggest|describe|advise|believe|mean|guys)\w*"
    r"(?: (?:me|us)\b)?"
    r"|(?:please |kindly )?(?:tell|show|give|help|teach|let|advise) (?:me|us)\b"
    r"|i(?:'d| would| want| need|'m| am)? (?:like |want |need |trying )?to know|i (?:wonder|was wondering)"
    r"|in your opinion|(?:what|how) (?:are|is) your (?:opinions?|views?|thoughts?|take)|you guys|thank you"
    r"|how are you)\b",
    re.IGNORECASE,
)
_AUXILIARIES: Final = listed(
    "is are am was were do does did can could may might will would shall should must has have had"
)


def persons_differ(asked: Question, stored: Question) -> bool:
    """The same words of other persons: may I see yours, and may you see mine; his and hers.

    `How do I …?` and `How do you …?` ask the same: one of both alone stands for anybody.
    """
    if not are_alike(asked, stored):
        return False
    if {asked.once(_gender), stored.once(_gender)} == {"feminine", "masculine"}:
        return True
    if asked.subjects != stored.subjects:
        return False
    return _change_places(asked, stored) or _change_parts(asked, stored)


def _change_parts(asked: Question, stored: Question) -> bool:
    """Who acts is acted on: can I sue them, can they sue me; he said that she lied, she said that he lied."""
    if {asked.once(_part), stored.once(_part)} == {"subject", "object"}:
        return True
    ours, theirs = asked.once(_genders), stored.once(_genders)
    return ours != theirs and sorted(ours) == sorted(theirs) and asked.matter == stored.matter


def _part(question: Question) -> str:
    """Whether the first person acts or is acted on; "" where both or neither. `For me` and `get me` say neither."""
    words = _POLITE.sub(" ", " ".join(question.words)).split()
    acts = not _ACTING.isdisjoint(words)
    is_acted_on = any(word in _ACTED_ON and before not in FUNCTION_WORDS for before, word in pairwise(words))
    return "" if acts == is_acted_on else "subject" if acts else "object"


def _genders(question: Question) -> tuple[bool, ...]:
    """The third persons of a text, in order: whether each is feminine."""
    return tuple(word in _FEMININE for word in question.words if word in _FEMININE or word in _MASCULINE)


def _change_places(asked: Question, stored: Question) -> bool:
    ours, theirs = asked.once(_persons), stored.once(_persons)
    if ours == theirs or len(ours) != len(theirs):
        return False
    if _are_two(ours) and _are_two(theirs):
        return True
    if _are_two(ours) or _are_two(theirs):
        return asked.words[0] in _AUXILIARIES and stored.words[0] in _AUXILIARIES
    return asked.once(_is_of_one) and stored.once(_is_of_one)


def _gender(question: Question) -> str:
    """Of whom a text speaks, where it speaks of one gender only."""
    is_feminine = not question.vocabulary.isdisjoint(_FEMININE)
    is_masculine = not question.vocabulary.isdisjoint(_MASCULINE)
    return "" if is_feminine == is_masculine else "feminine" if is_feminine else "masculine"


def _persons(question: Question) -> tuple[int, ...]:
    """The first and second persons of a text, in order, without what is said for politeness."""
    if question.vocabulary.isdisjoint(_PERSONS):
        return ()
    text = _POLITE.sub(" ", " ".join(question.written).lower())
    return tuple(_PERSONS[word] for word in re.findall(r"[a-z]+", text) if word in _PERSONS)


def _are_two(persons: Iterable[int]) -> bool:
    return len(set(persons)) == 2


def _is_of_one(question: Question) -> bool:
    """Whether it asks what somebody is or has: am I, are you, what is my."""
    words = question.words
    if any(pair in _SAID_OF_ONE for pair in pairwise(words)):
        return True
    return (
        bool(words)
        and words[0] in _ASKING
        and words[1:2] in _BEING
        and question.vocabulary & _PERSONS.keys() <= _SINGLE
    )


def asked_differ(asked: Question, stored: Question) -> bool:
    """The same matter asked for another thing: who and when, how many and how often, what was and what will be.

    Or another share of it: all and some; or whether it must be and whether it may.
    """
    if are_alike(asked, stored) and (_forces_differ(asked, stored) or _shares_differ(asked, stored)):
        return True
    if asked.subjects - _MEASURES != stored.subjects - _MEASURES:
        return False
    ours, theirs = asked.once(_things), stored.once(_things)
    if len(ours) == len(theirs) == 1 and ours != theirs:
        return True
    return bool(asked.once(_tense) and stored.once(_tense)) and asked.once(_tense) != stored.once(_tense)


def _things(question: Question) -> frozenset[str]:
    """Who, when, where, why, and what is measured; nothing where `what` or a plain `how` is asked, too."""
    found: set[str] = set()
    levelled = [_WORD_OF.get(word, word) for word in question.words]
    for word, following in pairwise([*levelled, ""]):
        if word in _TOLD_APART:
            found.add(word)
        elif word == "how" and following in _MEASURES:
            found.add(f"how {following}")
        elif word in {"how", "what", "which"}:
            return frozenset()
    return frozenset(found)


def _forces_differ(asked: Question, stored: Question) -> bool:
    return {asked.once(_force), stored.once(_force)} == {"must", "may"}


def _force(question: Question) -> str:
    """Whether something must be or may be; "" where both or neither, or where it is asked how, what or when."""
    if question.words[:1] and question.words[0] in _WH:
        return ""
    words = _POLITE.sub(" ", " ".join(question.words)).split()
    must = not _OBLIGED.isdisjoint(words) or not _OBLIGING.isdisjoint(pairwise(words))
    may = not _ALLOWED.isdisjoint(words)
    return "" if must == may else "must" if must else "may"


def _shares_differ(asked: Question, stored: Question) -> bool:
    ours, theirs = asked.once(_shares), stored.once(_shares)
    return any((ours[whole] == "all") != (theirs[whole] == "all") for whole in ours.keys() & theirs.keys())


def _shares(question: Question) -> dict[str, str]:
    """Of what it speaks of all, of most or of some. `Most` may only make a superlative."""
    if question.vocabulary.isdisjoint(_SHARES):
        return {}
    return {whole: share for share, whole in pairwise(question.words) if share in _SHARES}


def _tense(question: Question) -> str:
    """`was` or `will` in the opening words; "" where they say both or neither."""
    opening = question.words[:_OPENING]
    is_past = not _PAST.isdisjoint(opening) or (opening[:1] == ("who",) and _is_past(opening[1:2]))
    is_future = "will" in opening
    return "" if is_past == is_future else "was" if is_past else "will"


def _is_past(verb: tuple[str, ...]) -> bool:
    return bool(verb) and (verb[0].endswith("ed") or verb[0] in IRREGULAR)
