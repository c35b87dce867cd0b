"""Edits of a question that change what it asks, and edits that do not: what Quora's pairs have too little of."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

Edit = Callable[[str, random.Random], str | None]

_OPPOSITES: Final = """
increase decrease|open close|buy sell|start stop|enable disable|activate deactivate|add remove|lock unlock|upload
download|send receive|gain lose|best worst|good bad|advantages disadvantages|pros cons|most least|more less|first
last|before after|with without|left right|hot cold|high low|higher lower|minimum maximum|cheap expensive|easy
hard|fast slow|love hate|like dislike|male female|men women|boys girls|boyfriend girlfriend|husband wife|internal
external|import export|legal illegal|possible impossible|old new|early late|inside outside|above below|win
lose|install uninstall|follow unfollow|block unblock|connect disconnect|import export|login logout|debit
credit|deposit withdraw|lend borrow|accept reject|approve decline|public private|benefits risks|causes
effects|largest smallest|biggest smallest|longest shortest|highest lowest|older younger|rich poor|happy sad|strong
weak|input output|forward backward|morning evening|day night|north south|east west|under over|on off|up down|always
never|all none|freeze unfreeze|show hide|join leave|pass fail|save delete|create delete|raise reduce|improve
worsen|positive negative|true false|safe dangerous|healthy unhealthy|full empty|learn teach|ask answer|arrive depart
"""
_SIBLINGS: Final = """
monday tuesday wednesday thursday friday saturday sunday|january february march april june july august september
october november december|today tomorrow yesterday|second minute hour day week month year|seconds minutes hours days
weeks months years|km miles meters feet inches cm|kg pounds grams ounces|dollars euros pounds rupees yen|celsius
fahrenheit kelvin|gb mb tb kb|red blue green yellow black white|mother father brother sister son
daughter|python java javascript ruby php|android ios windows linux mac|english french german spanish hindi
chinese|breakfast lunch dinner|one two three four five six seven eight nine ten|once twice|who when where why|phone
laptop tablet|email password username|visa mastercard paypal|card account|cat dog horse|facebook twitter instagram
whatsapp quora|engineer doctor lawyer teacher|physics chemistry biology mathematics
"""
_SYMMETRIC: Final = re.compile(
    r"\b(difference|differences|between|or|and|vs|versus|compare|comparison|similar)\b", re.IGNORECASE
)
_PREFIXES: Final = (
    "Can you tell me {}", "Please tell me: {}", "I would like to know {}", "Hi, {}", "Quick question: {}", "{} Thanks",
    "{} please", "Could you explain {}", "I was wondering {}", "Do you know {}",
)  # fmt: skip
_CONTRACTIONS: Final = (
    ("What is", "What's"), ("How is", "How's"), ("do not", "don't"), ("can not", "can't"), ("cannot", "can't"),
    ("I am", "I'm"), ("does not", "doesn't"), ("is not", "isn't"), ("Who is", "Who's"), ("it is", "it's"),
    ("will not", "won't"), ("I have", "I've"), ("would like", "want"), ("What are", "What're"),
)  # fmt: skip


def _neighbours() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in (_OPPOSITES + "|" + _SIBLINGS).split("|"):
        words = group.split()
        for word in words:
            found.setdefault(word, []).extend(other for other in words if other != word)
    return found


_NEIGHBOURS: Final = _neighbours()


def other_word(question: str, rng: random.Random) -> str | None:
    """An opposite, another unit, another day, another of its kind."""
    words = question.split()
    places = [place for place, word in enumerate(words) if _bare(word) in _NEIGHBOURS]
    if not places:
        return None
    place = rng.choice(places)
    return _with(words, place, rng.choice(_NEIGHBOURS[_bare(words[place])]))


def other_number(question: str, rng: random.Random) -> str | None:
    """Another amount or year."""
    found = list(re.finditer(r"\d+", question))
    if not found:
        return None
    number = rng.choice(found)
    old = int(number.group()[:9])
    new = rng.choice([old + 1, old + rng.randint(2, 9), old * 2, max(0, old - 1), old * 10])
    return None if new == old else f"{question[: number.start()]}{new}{question[number.end() :]}"


def negated(question: str, rng: random.Random) -> str | None:
    """The opposite of what was asked. A yes-or-no question asks the same when negated, so those are left alone."""
    if not re.match(r"(why|how|what|which|who|when|where)\b", question, re.IGNORECASE):
        return None
    helper = re.search(r"\b(should|can|could|do|does|did|is|are|would|will)( \w+)?\b", question)
    if helper is None:
        return None
    if re.match(r"what (is|are)\b|how (is|are)\b", question, re.IGNORECASE) and helper.group(1) in {"is", "are"}:
        return None
    if rng.random() < 0.5 and helper.group(1) not in {"can", "will"}:
        return f"{question[: helper.end(1)]}n't{question[helper.end(1) :]}"
    return f"{question[: helper.end()]} not{question[helper.end() :]}"


def swapped(question: str, rng: random.Random) -> str | None:
    """Two words changed places: from A to B becomes from B to A."""
    if _SYMMETRIC.search(question):
        return None
    return _exchange(question, rng)


def swapped_sides(question: str, _: random.Random) -> str | None:
    """Both sides of an `and`, `or` or `vs` changed places, which asks the same."""
    sides = re.search(r"\b(\w{3,}) (and|or|vs|versus) (\w{3,})\b", question)
    if sides is None:
        return None
    left, link, right = sides.groups()
    return f"{question[: sides.start()]}{right} {link} {left}{question[sides.end() :]}"


def polite(question: str, rng: random.Random) -> str | None:
    """The same question in a friendlier voice."""
    shape = rng.choice(_PREFIXES)
    inner = question if shape.startswith("{}") else question[:1].lower() + question[1:]
    return shape.format(inner)


def respelt(question: str, rng: random.Random) -> str | None:
    """Other case, other punctuation, contracted words."""
    made = question
    for long, short in _CONTRACTIONS:
        made = made.replace(long, short) if rng.random() < 0.7 else made
    if rng.random() < 0.5:
        made = made.lower()
    if rng.random() < 0.5:
        made = made.rstrip("?. !")
    return made if made != question else None


def misspelt(question: str, rng: random.Random) -> str | None:
    """Two letters of one long lower-case word changed places."""
    words = question.split()
    places = [place for place, word in enumerate(words) if len(word) > 5 and word.isalpha() and word.islower()]
    if not places:
        return None
    place = rng.choice(places)
    cut = rng.randint(1, len(words[place]) - 3)
    word = words[place]
    words[place] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)


class OtherName:
    """Puts another name of the corpus in place of one."""

    def __init__(self, questions: Sequence[str]) -> None:
        self._names = sorted({name for question in questions for name in _names(question)})

    def __call__(self, question: str, rng: random.Random) -> str | None:
        names = _names(question)
        if not names:
            return None
        name = rng.choice(names)
        return question.replace(name, rng.choice(self._names))


def _names(question: str) -> list[str]:
    """Capitalised words, the first of the sentence aside."""
    return re.findall(r"(?<=[a-z,] )[A-Z][A-Za-z]{2,}\b", question)


def _exchange(question: str, rng: random.Random) -> str | None:
    words = question.split()
    places = [
        place for place, word in enumerate(words) if place and len(_bare(word)) > 3 and _bare(word) not in _COMMON
    ]
    if len(places) < 2:
        return None
    one, other = sorted(rng.sample(places, 2))
    if _bare(words[one]) == _bare(words[other]):
        return None
    left, right = words[one].strip("?.,!"), words[other].strip("?.,!")
    words[one], words[other] = words[one].replace(left, right), words[other].replace(right, left)
    return " ".join(words)


_COMMON_WORDS: Final = """
    what when where which that this those these with from into does have been will would should could there their
    they them your about some most many much more than like best good make other very just also only being
"""
_COMMON: Final = frozenset(_COMMON_WORDS.split())


def _bare(word: str) -> str:
    return word.strip("?.,!'\"()").lower()


def _with(words: Sequence[str], place: int, word: str) -> str:
    old = words[place].strip("?.,!'\"()")
    new = word.capitalize() if old[:1].isupper() else word
    return " ".join([*words[:place], words[place].replace(old, new), *words[place + 1 :]])
