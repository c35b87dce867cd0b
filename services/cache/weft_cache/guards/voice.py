"""Rules for who acts and who is acted on: who killed X and who did X kill, the active voice and the passive."""

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Final

from weft_cache.guards.forms import IRREGULAR, listed, stem
from weft_cache.guards.words import BE, FUNCTION_WORDS, Question, are_alike, leading_matter

_DO: Final = frozenset({"do", "does", "did"})
_ASKING: Final = frozenset({"who", "what", "which", "whom"})
_SUBJECTS: Final = listed("i you he she it we they to")
_MODALS: Final = listed("can could may might should must will would shall")
_VOWELS: Final = str.maketrans("", "", "aeiou")
_OPENING: Final = 4
_ARTICLES: Final = listed("a an the my your his her its our their")
_UNCHANGED: Final = listed("hit cut hurt put bet cast set shut split")
"""Verbs that are their own participle."""
_AGENTS_SIGN: Final = frozenset({"by"})


def voices_differ(asked: Question, stored: Question) -> bool:
    """Returns whether the words are the same, but the one who acts in one text is acted on in the other."""
    return any(
        _ask_what_acts(one, other) or _act_on_another(one, other) or _is_acted_on(one, other)
        for one, other in ((asked, stored), (stored, asked))
    ) or _ask_for_another(asked, stored)


def _ask_for_another(asked: Question, stored: Question) -> bool:
    """Returns whether one asks who acts and the other, of the same, who is acted on: who killed X, who did X kill."""
    if asked.words[:1] != ("who",) or stored.words[:1] != ("who",) or asked.subjects != stored.subjects:
        return False
    ours, theirs = asked.once(_asked_for), stored.once(_asked_for)
    return ours is not None and theirs is not None and ours != theirs


def _asked_for(question: Question) -> bool | None:
    """Returns whether it asks for the one who acts (True) or who is acted on (False); None if that is unclear."""
    words = question.words
    second = words[1] if len(words) > 1 else ""
    if "by" in words and second in BE:
        return words[-1] == "by"  # who was X killed by; who was killed by X
    if second in _DO:
        return False
    if second in BE and any(word.endswith("ing") for word in words[2:]):
        return words[2].endswith("ing")  # who is following me; who am I following
    return None if second in FUNCTION_WORDS else True


def _ask_what_acts(active: Question, other: Question) -> bool:
    """Returns whether the first asks what acts and the other what is acted on: which animals eat foxes, which do foxes
    eat.
    """
    if active.words[:1] != other.words[:1] or _ASKING.isdisjoint(active.words[:1]):
        return False
    if _DO.isdisjoint(other.words[1:_OPENING]) or not _DO.isdisjoint(active.words):
        return False
    asked_for = sum(word not in FUNCTION_WORDS for word in other.words[: _place_of_do(other)])
    ours, theirs = active.matter, other.matter
    if active.words[1:2] == () or len(ours) != len(theirs) or ours[:asked_for] != theirs[:asked_for]:
        return False
    if active.words[1 + asked_for : 2 + asked_for] and active.words[1 + asked_for] in FUNCTION_WORDS:
        return False
    verb, *objects = ours[asked_for:] or ("",)
    behind = theirs[asked_for + 1 :]
    at = next((at for at, word in enumerate(behind) if _are_forms(verb, word)), None)
    if at is None:
        return False
    return bool(objects) and Counter(objects) == Counter([theirs[asked_for], *behind[:at], *behind[at + 1 :]])


def _place_of_do(question: Question) -> int:
    return next(at for at, word in enumerate(question.words) if word in _DO)


def _are_forms(one: str, other: str) -> bool:
    """Returns whether two stems may be of one verb: shot and shoot, sued and sue."""
    if one == other:
        return True
    short, long = sorted((one.translate(_VOWELS), other.translate(_VOWELS)), key=len)
    return one[0] == other[0] and len(short) > 0 and long in {short, short + "d", short + "t"}


def _act_on_another(passive: Question, active: Question) -> bool:
    """Returns whether B is acted on by A in the passive text, but acts on A in the active one."""
    if passive.subjects != active.subjects or not (told := passive.once(_passive)):
        return False
    if not BE.isdisjoint(active.vocabulary):
        return False
    verb, agents, patients = told
    if verb not in active.matter:
        return False
    at = active.matter.index(verb)
    before, behind = frozenset(active.matter[:at]), frozenset(active.matter[at + 1 :])
    return bool(agents & behind) and bool(patients & before)


def _passive(question: Question) -> tuple[str, frozenset[str], frozenset[str]] | None:
    """Returns the verb, who acts and who is acted on, if a text is in the passive voice with `by`."""
    words = question.words
    if "by" not in words or BE.isdisjoint(words):
        return None
    at = words.index("by")
    verb = words[at - 1] if at else ""
    if not _is_participle(verb) or words[at - 2 : at - 1] == ("by",):
        return None
    before = frozenset(stem(word) for word in words[: at - 1] if word not in FUNCTION_WORDS)
    return stem(verb), leading_matter(words[at + 1 :], _ARTICLES), before


def _is_participle(word: str) -> bool:
    return word.endswith(("ed", "en")) or word in IRREGULAR or word in _UNCHANGED


def _is_acted_on(passive: Question, active: Question) -> bool:
    """Returns whether the texts differ only in the voice: can I be sued, can I sue; I was hit by a car, I hit a car."""
    if not are_alike(passive, active) or BE.isdisjoint(passive.vocabulary):
        return False
    apart = [pair for pair in zip(passive.words, active.words, strict=False) if pair[0] != pair[1]]
    if len(apart) == 1 and len(passive.words) == len(active.words):  # am I paid, am I paying
        (done, doing), *_ = apart
        return doing.endswith("ing") and _is_participle(done) and stem(done) == stem(doing)
    ours, theirs = (
        _without_be(passive, _AGENTS_SIGN - active.vocabulary),
        _without_be(active, _AGENTS_SIGN - passive.vocabulary),
    )
    if len(ours) != len(theirs) or len(passive.words) == len(active.words):
        return False
    is_modal = not _MODALS.isdisjoint(active.words[:1])
    return any(
        is_done and not is_doing and (is_modal or before in _SUBJECTS) and _is_participle(verb)
        for before, (verb, is_done), (_, is_doing) in zip(
            ("", *(word for word, _ in theirs)), ours, theirs, strict=False
        )
    ) and all(_are_forms(stem(one), stem(other)) for (one, _), (other, _) in zip(ours, theirs, strict=True))


def _without_be(question: Question, left_out: AbstractSet[str]) -> list[tuple[str, bool]]:
    """Returns the words without forms of `be`, each with whether one was before it."""
    found: list[tuple[str, bool]] = []
    is_behind = False
    for word in question.words:
        if word in BE:
            is_behind = True
        elif word not in left_out:
            found.append((word, is_behind))
            is_behind = False
    return found
