"""Guards for persons and question words: my and your, his and her, who and when, is and will be."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from weft_cache.guards.forms import IRREGULAR, listed, stem
from weft_cache.guards.words import BE, FUNCTION_WORDS, Question, are_alike

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
_OBLIGED: Final = listed("must mandatory obligatory compulsory required obliged")
_ALLOWED: Final = listed("may can could might allowed permitted optional")
_OBLIGING: Final = frozenset({(verb, "to") for verb in ("have", "has", "need", "needs", "got")})
_PAST: Final = frozenset({"did", "was", "were", "been"})
_PRESENT: Final = frozenset({"do", "does", "is", "are", "am"})
_DO: Final = frozenset({"do", "does"})
_SUBJECTS: Final = listed("i we he she they it")
_MODALS: Final = {
    "can": "may", "may": "may", "could": "may", "might": "may", "must": "must", "should": "should", "will": "will",
    "would": "will",
}  # fmt: skip
_MODALS_TO: Final = {
    "have": "must",
    "has": "must",
    "need": "need",
    "needs": "need",
    "want": "want",
    "wants": "want",
    "get": "may",
}
_NEARLY: Final = ({"need", "must"}, {"need", "should"})
_OPENING: Final = 5
# Phrases of politeness: their `you` only addresses the one who answers, so it does not count as a person.
_POLITE: Final = re.compile(
    r"\b(?:(?:can|could|would|will|do|did) you (?:please |kindly |mind )?(?:to )?"
    r"(?:tell|show|give|explain|help|teach|know|think(?! (?:of|about) (?:me|my)\b)"
    r"|recommend|suggest|describe|advise|believe|mean|guys)\w*"
    r"(?: (?:me|us)\b)?"
    r"|(?:^|(?<=please )|(?<=kindly ))(?:please |kindly )?(?:tell|show|give|help|teach|let|advise) (?:me|us)\b"
    r"|i(?:'d| would| want| need|'m| am)? (?:like |want |need |trying )?to know|i (?:wonder|was wondering)"
    r"|in your opinion|(?:what|how) (?:are|is) your (?:opinions?|views?|thoughts?|take)|you guys|thank you"
    r"|how are you)\b",
    re.IGNORECASE,
)
_AUXILIARIES: Final = listed(
    "is are am was were do does did can could may might will would shall should must has have had"
)


def persons_differ(asked: Question, stored: Question) -> bool:
    """Returns whether the same words concern other persons: may I see yours, may you see mine; his, hers.

    `How do I …?` and `How do you …?` ask the same: where only one of the two occurs, it stands for anyone.
    """
    if not are_alike(asked, stored):
        return False
    if {asked.once(_gender), stored.once(_gender)} == {"feminine", "masculine"}:
        return True
    if asked.subjects != stored.subjects:
        return False
    return _change_places(asked, stored) or _change_parts(asked, stored)


def _change_parts(asked: Question, stored: Question) -> bool:
    """Returns whether the acting person in one is acted on in the other: can I sue them, can they sue me; he said that
    she lied, she said that he lied.
    """
    if {asked.once(_part), stored.once(_part)} == {"subject", "object"}:
        return True
    ours, theirs = asked.once(_genders), stored.once(_genders)
    return ours != theirs and sorted(ours) == sorted(theirs) and asked.matter == stored.matter


def _part(question: Question) -> str:
    """Returns whether the first person is subject or object; "" if both or neither. `For me` counts as neither."""
    words = _POLITE.sub(" ", " ".join(question.words)).split()
    if "by" in words and not BE.isdisjoint(words):
        return ""  # passive: I am evicted by them
    acts = not _ACTING.isdisjoint(words)
    is_acted_on = any(word in _ACTED_ON and before not in FUNCTION_WORDS for before, word in pairwise(words))
    return "" if acts == is_acted_on else "subject" if acts else "object"


def _genders(question: Question) -> tuple[bool, ...]:
    """Returns whether each third person of a text is feminine, in order."""
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
    """Returns the gender that a text mentions; "" if it mentions both or neither."""
    is_feminine = not question.vocabulary.isdisjoint(_FEMININE)
    is_masculine = not question.vocabulary.isdisjoint(_MASCULINE)
    return "" if is_feminine == is_masculine else "feminine" if is_feminine else "masculine"


def _persons(question: Question) -> tuple[int, ...]:
    """Returns the first and second persons of a text, in order, without phrases of politeness."""
    if question.vocabulary.isdisjoint(_PERSONS):
        return ()
    text = _POLITE.sub(" ", " ".join(question.written).lower())
    return tuple(_PERSONS[word] for word in re.findall(r"[a-z]+", text) if word in _PERSONS)


def _are_two(persons: Iterable[int]) -> bool:
    return len(set(persons)) == 2


def _is_of_one(question: Question) -> bool:
    """Returns whether it asks what the person is or has: am I, are you, what is my."""
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
    """Returns whether the texts ask different things about the same matter: who and when, how many and how often, what
    was and what will be, whether it must be and whether it may.
    """
    if are_alike(asked, stored) and (
        _forces_differ(asked, stored)
        or _modals_differ(asked, stored)
        or _times_differ(asked, stored)
        or _aspects_differ(asked, stored)
    ):
        return True
    if asked.subjects - _MEASURES != stored.subjects - _MEASURES:
        return False
    ours, theirs = asked.once(_things), stored.once(_things)
    if len(ours) == len(theirs) == 1 and ours != theirs:
        return True
    return bool(asked.once(_tense) and stored.once(_tense)) and asked.once(_tense) != stored.once(_tense)


def _things(question: Question) -> frozenset[str]:
    """Returns what is asked for: who, when, where, why, or a measure; nothing if `what` or a plain `how` occurs."""
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


def _times_differ(asked: Question, stored: Question) -> bool:
    """Returns whether the words are the same but one is in another tense: who owns it, who owned it."""
    if len(asked.words) != len(stored.words):
        return False
    apart = [at for at, (one, other) in enumerate(zip(asked.words, stored.words, strict=True)) if one != other]
    if len(apart) != 1:
        return False
    (at,) = apart
    ours, theirs = asked.words[at], stored.words[at]
    if not _PAST.isdisjoint({ours, theirs}):
        return not _PRESENT.isdisjoint({ours, theirs})
    # After a pronoun, or without another verb, a past form is a verb and not an adjective as in `an advanced course`.
    is_verb = asked.vocabulary.isdisjoint(_AUXILIARIES) or asked.words[at - 1] in _SUBJECTS
    return is_verb and _are_times(ours, theirs)


def _aspects_differ(asked: Question, stored: Question) -> bool:
    """Returns whether one text has done what the other will do: I have paid, I will pay."""
    (ours, our_rest), (theirs, their_rest) = asked.once(_aspect), stored.once(_aspect)
    return {ours, theirs} == {"have", "will"} and our_rest == their_rest


def _aspect(question: Question) -> tuple[str, tuple[str, ...]]:
    """Returns `have` or `will`, whichever it says, and the stems of all other words; "" if it says both or neither."""
    words = tuple("have" if word == "has" else word for word in question.words)
    said = {"have", "will"}.intersection(words)
    if len(said) != 1:
        return "", ()
    return said.pop(), tuple(stem(word) for word in words if word not in {"have", "will"})


def _are_times(one: str, other: str) -> bool:
    if one.endswith("ing") or other.endswith("ing") or not FUNCTION_WORDS.isdisjoint({one, other}):
        return False
    return _is_past((one,)) != _is_past((other,)) and stem(one) == stem(other)


def _modals_differ(asked: Question, stored: Question) -> bool:
    """Returns whether the words are the same but for the modal verb: can, must, should, will.

    After a question word only `must` or `need` against `may` counts: what one should bring and what one could bring are
    often the same, what one can bring and what one must bring are not.
    """
    (ours, our_rest), (theirs, their_rest) = asked.once(_modal), stored.once(_modal)
    if our_rest != their_rest or not ours or not theirs or ours == theirs or {ours, theirs} in _NEARLY:
        return False
    return _WH.isdisjoint(asked.words[:1]) or {ours, theirs} in ({"must", "may"}, {"need", "may"})


def _is_done(words: Sequence[str]) -> bool:
    """Returns whether it asks what to do: what can I do, what do I have to do."""
    return words[:1] == ("what",) and any(word == "do" for word in words[3:])


def _modal(question: Question) -> tuple[str, tuple[str, ...]]:
    """Returns the kind of the first modal verb and all other words; "" if there is none, or in `How can I …?`."""
    words = question.words
    if words[:1] == ("how",) and _MEASURES.isdisjoint(words[1:2]):
        return "", ()
    rest = [word for word in words if word not in _DO]
    for at, word in enumerate(rest):
        kind, size = _MODALS.get(word, ""), 1
        if word in _MODALS_TO and rest[at + 1 : at + 2] == ["to"]:
            kind, size = _MODALS_TO[word], 2
        if kind and not _is_done(words):
            return kind, (*rest[:at], *rest[at + size :])
    return "", ()


def _force(question: Question) -> str:
    """Returns whether it asks if something must or may be; "" if both or neither, or after a question word."""
    if question.words[:1] and question.words[0] in _WH:
        return ""
    words = _POLITE.sub(" ", " ".join(question.words)).split()
    must = not _OBLIGED.isdisjoint(words) or not _OBLIGING.isdisjoint(pairwise(words))
    may = not _ALLOWED.isdisjoint(words)
    return "" if must == may else "must" if must else "may"


def _tense(question: Question) -> str:
    """Returns `was` or `will`, the tense of the opening words; "" if both or neither."""
    opening = question.words[:_OPENING]
    is_past = not _PAST.isdisjoint(opening) or (opening[:1] == ("who",) and _is_past(opening[1:2]))
    is_future = "will" in opening
    return "" if is_past == is_future else "was" if is_past else "will"


def _is_past(verb: tuple[str, ...]) -> bool:
    return bool(verb) and (verb[0].endswith("ed") or verb[0] in IRREGULAR)
