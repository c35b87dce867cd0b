"""Edits of a text that change which answers are right, and edits that do not: labelled pairs have too few of both."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.cache_quality.training.lexicon import COMMON, EXCLUSIVE, SYNONYMS

Edit = Callable[[str, random.Random], str | None]

_SYMMETRIC: Final = re.compile(
    r"\b(difference|differences|between|or|and|vs|versus|compare|comparison|similar|both|together|equal)\b",
    re.IGNORECASE,
)
_PREFIXES: Final = (
    "Can you tell me {}", "Please tell me: {}", "I would like to know {}", "Hi, {}", "Quick question: {}", "{} Thanks",
    "{} please", "Could you explain {}", "I was wondering {}", "Do you know {}", "hey {}", "ok so {}", "please {}",
)  # fmt: skip
_CONTRACTIONS: Final = (
    ("What is", "What's"), ("How is", "How's"), ("do not", "don't"), ("can not", "can't"), ("cannot", "can't"),
    ("I am", "I'm"), ("does not", "doesn't"), ("is not", "isn't"), ("Who is", "Who's"), ("it is", "it's"),
    ("will not", "won't"), ("I have", "I've"), ("would like", "want"), ("What are", "What're"), ("what is", "what's"),
    ("you are", "you're"), ("they are", "they're"), ("did not", "didn't"), ("I will", "I'll"), ("are not", "aren't"),
)  # fmt: skip
_OPENINGS: Final = (
    ("how do i", "how can i", "how to", "what is the best way to", "what are the steps to", "what should i do to"),
    ("what is the meaning of", "what does it mean to say", "define", "what is meant by"),
    ("i want to", "i would like to", "i need to", "help me to", "can i", "i'd like to"),
    ("what are some good", "which are some good", "can you suggest some good", "what are a few good"),
    ("can you", "could you", "please", "would you", "i want you to"),
    ("why is", "why exactly is", "what is the reason that it is"),
    ("what is the", "what's the", "tell me the", "may i know the"),
)  # fmt: skip
_QUALIFIERS: Final = (
    "in {}", "for beginners", "for children", "without paying", "online", "on a Mac", "in winter", "for free",
    "at night", "before 2010", "as a student", "in Europe", "after marriage", "by hand", "on weekends", "on {}",
    "for a vegetarian", "in one day", "without a computer", "according to {}", "over the phone", "with {}",
)  # fmt: skip
_NUMBER_WORDS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DIGITS: Final = {word: str(number) for number, word in enumerate(_NUMBER_WORDS, 2)}
_ROLES: Final = re.compile(
    r"\b([a-z]{3,}|[A-Z]\w+) (than|over|by|into|before|after|against|causes?|beats?) "
    r"((?:the |a |an |my )?)([a-z]{3,}|[A-Z]\w+)\b"
)
_DIRECTED: Final = re.compile(
    r"\b(?:from|convert|translate|change|turn|cast|switch|compare|prefer|send|lend|sell) "
    r"(?:the |a |an |my )?(\w{2,}) (to|into|in) ((?:the |a |an |my )?)(\w{2,})\b",
    re.IGNORECASE,
)
_BEFORE_NOUNS: Final = frozenset(
    (
        *("a", "an", "the", "my", "your", "his", "her", "our", "their"),
        *("of", "for", "with", "from", "on", "by", "about", "between"),
    )
)
_HELPER: Final = re.compile(r"\b(should|can|could|do|does|did|is|are|was|were|would|will|has|have)\b( (?:I|you|we)\b)?")
_PERSONAL: Final = re.compile(
    r"(can|could|would|will|do|are|am|did|have|should|shall|may|i|you|tell|show)\b", re.IGNORECASE
)


def other_word(text: str, rng: random.Random) -> str | None:
    """Replaces a word with its opposite, or with another unit, day, pronoun or word of its kind."""
    return _replaced(text, rng, EXCLUSIVE)


def synonym(text: str, rng: random.Random) -> str | None:
    """Replaces a word with one that means the same."""
    return _replaced(text, rng, SYNONYMS)


def other_number(text: str, rng: random.Random) -> str | None:
    """Replaces an amount or a year."""
    found = list(re.finditer(r"\d+", text))
    if not found:
        return None
    number = rng.choice(found)
    old = int(number.group()[:9])
    new = rng.choice([old + 1, old + rng.randint(2, 9), old * 2, max(0, old - 1), old * 10])
    return None if new == old else f"{text[: number.start()]}{new}{text[number.end() :]}"


def negated(text: str, rng: random.Random) -> str | None:
    """Negates a text. A yes-or-no question asks the same when negated, so those are left alone."""
    if re.match(r"(is|are|do|does|did|can|could|will|would|should|has|have|was|were|am)\b", text, re.IGNORECASE):
        return None
    if re.match(r"what (is|are)\b|how (is|are)\b|what's\b", text, re.IGNORECASE):
        return None
    helper = _HELPER.search(text)
    if helper is None or "not" in text or "n't" in text:
        return None
    if rng.random() < 0.5 and helper.group(1) not in {"can", "will"}:
        return f"{text[: helper.end(1)]}n't{text[helper.end(1) :]}"
    return f"{text[: helper.end()]} {rng.choice(('not', 'not', 'never'))}{text[helper.end() :]}"


def affirmed(text: str, _: random.Random) -> str | None:
    """Removes a negation."""
    if re.match(r"(isn|aren|don|doesn|didn|can|couldn|won|wouldn|shouldn)'?t", text, re.IGNORECASE):
        return None
    made = re.sub(r"\b(ca|wo|\w+)n't\b|\b(?:not|never) ", lambda found: _whole(found.group(1)), text, count=1)
    return None if made == text else made


def _whole(helper: str | None) -> str:
    """Returns what is left of can't, won't or isn't without its negation."""
    return {"ca": "can", "wo": "will"}.get(helper or "", helper or "")


def swapped(text: str, rng: random.Random) -> str | None:
    """Swaps two nouns, recognised by the words before them."""
    words = text.split()
    places = [place for place in range(1, len(words)) if _bare(words[place - 1]) in _BEFORE_NOUNS]
    places = [place for place in places if len(_bare(words[place])) > 2 and _bare(words[place]) not in COMMON]
    if len(places) < 2 or _SYMMETRIC.search(text):
        return None
    one, other = sorted(rng.sample(places, 2))
    left, right = words[one].strip("?.,!"), words[other].strip("?.,!")
    if left.lower() == right.lower():
        return None
    words[one], words[other] = words[one].replace(left, right), words[other].replace(right, left)
    return " ".join(words)


def swapped_roles(text: str, rng: random.Random) -> str | None:
    """Swaps who does something and to whom: from A to B becomes from B to A."""
    found = [*_ROLES.finditer(text), *_DIRECTED.finditer(text)]
    found = [one for one in found if not {one.group(1).lower(), one.group(4).lower()} & COMMON]
    if not found or _SYMMETRIC.search(text):
        return None
    one = rng.choice(found)
    left, link, article, right = one.groups()
    return f"{text[: one.start(1)]}{right} {link} {article}{left}{text[one.end() :]}"


def swapped_owners(text: str, rng: random.Random) -> str | None:
    """Replaces mine with yours, theirs or hers."""
    owners = ("my", "your", "his", "her", "their")
    found = list(re.finditer(rf"\b({'|'.join(owners)})\b", text, re.IGNORECASE))
    if not found:
        return None
    one = rng.choice(found)
    other = rng.choice([owner for owner in owners if owner != one.group().lower()])
    return f"{text[: one.start()]}{other}{text[one.end() :]}"


def swapped_persons(text: str, _: random.Random) -> str | None:
    """Swaps I and you. After how, why and what both mean anyone, so those are left alone."""
    if not _PERSONAL.match(text):
        return None
    made = re.sub(r"\b([Ii]|[Yy]ou|me)\b", lambda found: "I" if found.group().lower() == "you" else "you", text)
    return None if made == text else made


def swapped_sides(text: str, _: random.Random) -> str | None:
    """Swaps the sides of an `and`, `or` or `vs`, which asks the same."""
    words = text.split()
    for place in range(2, len(words) - 1):
        left, link, right = words[place - 1 : place + 2]
        before, behind = words[place - 2], words[place + 2] if place + 2 < len(words) else "the"
        if (
            link in {"and", "or", "vs", "versus"}
            and left.isalnum()
            and len(_bare(right)) > 2
            and not {_bare(left), _bare(right)} & COMMON
            and (_bare(before) in COMMON and (_bare(behind) in COMMON or not right.isalnum()))
        ):
            bare = right.strip("?.,!")
            return " ".join([*words[: place - 1], bare, link, right.replace(bare, left), *words[place + 2 :]])
    return None


def moved(text: str, _: random.Random) -> str | None:
    """Moves a clause from the front to the end, or the other way round."""
    mark = re.search(r"[?.!]*$", text)
    end = mark.group() if mark else ""
    body = text[: len(text) - len(end)]
    front = re.match(r"((?:If|When|In|On|After|Before|During|For|While|At) [^,]{4,60}), (.+)$", body, re.IGNORECASE)
    if front:
        clause, rest = front.groups()
        return f"{_raised(rest)} {_lowered(clause)}{end}"
    back = re.match(r"(.{12,}?) ((?:if|when|while|in|during) [A-Za-z ]{4,40})$", body)
    return f"{_raised(back.group(2))}, {_lowered(back.group(1))}{end}" if back else None


def reopened(text: str, rng: random.Random) -> str | None:
    """Replaces the opening with another one that asks the same."""
    low = text.lower()
    for openings in _OPENINGS:
        old = next((one for one in openings if low.startswith(one + " ")), None)
        if old:
            new = rng.choice([one for one in openings if one != old])
            return (_raised(new) if text[0].isupper() else new) + text[len(old) :]
    return None


def polite(text: str, rng: random.Random) -> str | None:
    """Asks the same more politely."""
    shape = rng.choice(_PREFIXES)
    return shape.format(text if shape.startswith("{}") else _lowered(text))


def respelt(text: str, rng: random.Random) -> str | None:
    """Changes case or punctuation, contracts words, or writes numbers as digits."""
    made = text
    for long, short in _CONTRACTIONS:
        made = made.replace(long, short) if rng.random() < 0.7 else made
    if rng.random() < 0.3:
        made = re.sub(r"\b[a-z]+\b", lambda found: _DIGITS.get(found.group(), found.group()), made)
    if rng.random() < 0.5:
        made = made.lower()
    if rng.random() < 0.5:
        made = made.rstrip("?. !")
    return made if made != text else None


def misspelt(text: str, rng: random.Random) -> str | None:
    """Swaps two letters of a long lower-case word, or drops one."""
    words = text.split()
    places = [place for place, word in enumerate(words) if len(word) > 5 and word.isalpha() and word.islower()]
    if not places:
        return None
    place = rng.choice(places)
    cut = rng.randint(1, len(words[place]) - 3)
    word = words[place]
    middle = word[cut + 1] + word[cut] if rng.random() < 0.6 else word[cut + 1]
    words[place] = word[:cut] + middle + word[cut + 2 :]
    return " ".join(words)


class OtherName:
    """Replaces a name with another one of the corpus."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.names = sorted({name for text in texts for name in _names(text)})

    def __call__(self, text: str, rng: random.Random) -> str | None:
        names = _names(text)
        if not names:
            return None
        name = rng.choice(names)
        return text.replace(name, rng.choice(self.names))


class Qualified:
    """Narrows a text: to a place, to some people, or to a time."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def __call__(self, text: str, rng: random.Random) -> str | None:
        mark = re.search(r"[?.!]*$", text)
        end = mark.group() if mark else ""
        return f"{text[: len(text) - len(end)]} {rng.choice(_QUALIFIERS).format(rng.choice(self._names))}{end}"


class RelatedWord:
    """Replaces a word with a different one that is near in meaning."""

    def __init__(self, related: Mapping[str, Sequence[str]]) -> None:
        self._related = related

    def __call__(self, text: str, rng: random.Random) -> str | None:
        return _replaced(text, rng, self._related)


def content(text: str) -> frozenset[str]:
    """Returns a text's words, without the common ones."""
    return frozenset(word for word in re.findall(r"[a-z0-9']+", text.lower()) if word not in COMMON)


def _names(text: str) -> list[str]:
    """Returns the capitalised words, except the first of a sentence."""
    return re.findall(r"(?<=[a-z,] )[A-Z][A-Za-z]{2,}\b", text)


def _replaced(text: str, rng: random.Random, others: Mapping[str, Sequence[str]]) -> str | None:
    words = text.split()
    places = [place for place, word in enumerate(words) if _bare(word) in others]
    if not places:
        return None
    place = rng.choice(places)
    return _with(words, place, rng.choice(others[_bare(words[place])]))


def _bare(word: str) -> str:
    return word.strip("?.,!'\"()").lower()


def _with(words: Sequence[str], place: int, word: str) -> str:
    old = words[place].strip("?.,!'\"()")
    new = word.capitalize() if old[:1].isupper() else word
    return " ".join([*words[:place], words[place].replace(old, new), *words[place + 1 :]])


def _lowered(text: str) -> str:
    return text if text[:2] in {"I ", "I'"} else text[:1].lower() + text[1:]


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]
