"""Words that exclude each other: two texts differ if one has the first and the other the second.

Most are WordNet's (wordnet/, with its licence; `python -m bench.cache_quality.wordnet` derives them). The rest are
words that it lacks: actions of software, words for two sides, names of products.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from weft_cache.guards.forms import IRREGULAR, listed, stem, wordnet_lines

# A text may have both words of a pair: only `buy` in one text against `sell` in the other separates them.
_OPPOSITES: Final = """
increase reduce|increase cut|raise reduce|grow shrink|expand shrink|add remove|add delete|insert delete|
create delete|save delete|mute unmute|send receive|gain lose|benefit drawback|benefit risk|before after|
boyfriend girlfriend|follow unfollow|login logout|deposit withdrawal|accept decline|approve reject|
allow forbid|allow block|allow prevent|grant revoke|cause effect|happy sad|input output|all none|
everyone nobody|join leave|improve worsen|safe harmful|safe dangerous|arrive depart|arrival departure|push pop|
read write|client server|landlord tenant|teacher student|doctor patient|sender recipient|refund charge|
single married|born die|live die|upper lower|higher lower|free paid|profit loss|capitalism communism|ancient modern|
expire renew|cancel renew|cancel book|weekday weekend|quick slow|near far|close far|all no|
good bad|good evil|most least|entrance exit|enter exit|entry exit|speed slow|
pre post|micro macro|hyper hypo|inter intra|multi single|inner outer|intro outro|sunrise sunset|mild severe|
mild spicy|producer consumer|predator prey|hardware software|frontend backend|singular plural|ally enemy|
vertical horizontal|vertically horizontally|row column|borrow return|earn spend|immigrant emigrant|inside outside|
allow prohibit|allow ban|permit ban|legal banned|give receive|funny serious|same less|same more|much little|
whole part_of|entire part_of|in_front_of behind|go_down rise|go_up fall|rent rent_out|still already|still no_longer|
too_much enough|too_much too_little|too_many enough|too_many too_few|at_least at_most|at_least less_than|
at_least up_to|at_most more_than|up_to more_than|every_other every|every_other each|every_other all|every_other daily|
every_second every|all_but only|all_but all|everyone_but only|everyone_except only|once more_than_once|
once several_times|even_if if|only even|exactly at_least|exactly at_most|exactly more_than|every at_least_one|
all at_least_one|few most|enough more_than_enough|
mother mother_in_law|father father_in_law|sister sister_in_law|brother brother_in_law|son son_in_law|
daughter daughter_in_law|
little a_lot_of|little lots_of|little plenty_of|few a_lot_of|few lots_of|
"""
# Phrases without opposites, although their words have some when alone: a little.
_NO_OPPOSITES: Final = "a_little a_few as_much"
_SPANS: Final = listed("""
    day week weekend month quarter year morning afternoon evening night season semester term spring summer autumn winter
    monday tuesday wednesday thursday friday saturday sunday
    """)
_DAYS: Final = frozenset({"today", "tomorrow", "yesterday"})
_WHICH: Final = listed("this last next previous past coming")
_SIBLINGS: Final = """
always often,usually,frequently,mostly,generally sometimes,occasionally rarely,seldom ever|
north south east west northeast northwest southeast southwest|northern southern eastern western|
today tomorrow yesterday tonight|
android ios windows linux macos ubuntu|python java javascript ruby php rust golang perl kotlin scala typescript swift|
kilometer mile meter foot inch centimeter millimeter yard|kilogram pound gram ounce ton milligram|
celsius fahrenheit kelvin|liter gallon milliliter pint quart|
dollar euro pound rupee yen yuan franc|gigabyte megabyte terabyte kilobyte byte bit|
second minute hour|hourly daily weekly monthly quarterly yearly|weekday weekend|once twice thrice|
day week month year decade century|half quarter third|double triple quadruple|halve double|
visa mastercard amex paypal|facebook instagram whatsapp twitter snapchat tiktok linkedin pinterest|
chrome firefox safari edge opera|excel word powerpoint outlook|mysql postgresql sqlite mongodb redis|
aws azure gcp|iphone ipad macbook|gmail yahoo outlook|
write,author direct,film compose produce illustrate sing paint invent,discover design translate publish edit star|
picture,image,photo,photograph,drawing,painting,illustration,sketch joke,pun,riddle poem,verse,haiku,limerick,sonnet
story,tale essay song,lyrics recipe email letter translation outline headline,title speech script review tweet blog
biography summary,synopsis quote|summarize,summarise translate proofread,rewrite|
definition,meaning example synonym antonym plural etymology pronunciation|
symptom,sign cause treatment,cure,remedy,therapy prevention diagnosis|
capital population currency,money flag language anthem president area|
noun verb adjective adverb pronoun preposition|mean,average median mode|sine cosine tangent|numerator denominator|
latitude longitude|velocity acceleration|king queen prince princess|ceo cfo cto|height,altitude weight width depth age|
birthday anniversary|primary secondary tertiary|bachelor master phd|circumference diameter radius|
perimeter volume area|list table chart,diagram|cylinder cone sphere cube|
"""
_SPELT_OUT: Final = {
    "km": "kilometer", "kms": "kilometer", "mi": "mile", "cm": "centimeter", "mm": "millimeter", "ft": "foot",
    "kg": "kilogram", "kgs": "kilogram", "kilo": "kilogram", "kilos": "kilogram", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "mg": "milligram", "ml": "milliliter", "litre": "liter", "litres": "liter", "tonne": "ton",
    "usd": "dollar", "eur": "euro", "gbp": "pound", "inr": "rupee", "rs": "rupee", "gb": "gigabyte", "mb": "megabyte",
    "tb": "terabyte", "kb": "kilobyte", "kilometre": "kilometer", "kilometres": "kilometer", "metre": "meter",
    "metres": "meter", "centimetre": "centimeter", "centimetres": "centimeter", "fall": "autumn", "sec": "second",
    "secs": "second", "min": "minute", "mins": "minute", "hr": "hour", "hrs": "hour", "annually": "yearly",
    "maths": "mathematics", "math": "mathematics", "mac": "macos", "osx": "macos", "postgres": "postgresql",
    "farther": "far", "farthest": "far", "further": "far", "furthest": "far", "bike": "bicycle",
    "men": "man", "women": "woman", "colour": "color", "grey": "gray",
}  # fmt: skip
# Words of WordNet's opposites that often mean the same in questions, or are too common to mean anything.
_LOOSE: Final = listed("""
    some all same other here there come go have lack give take answer question know ignore differ be miss keep
    make break get leave like different one can will do yes no nay much most well let look part end use man about
    really say said find think want need see back still even ever good ill second
    """)
_DETACHED: Final = (
    ("iest", "y"), ("ier", "y"), ("ied", "y"), ("ies", "y"), ("est", ""), ("est", "e"), ("ing", ""), ("ing", "e"),
    ("ers", "er"), ("er", ""), ("er", "e"), ("ed", ""), ("ed", "e"), ("es", ""), ("es", "e"), ("s", ""),
    ("ves", "f"), ("ves", "fe"),
)  # fmt: skip
_DOUBLING: Final = frozenset({"est", "ing", "er", "ed"})
_OPPOSED_PREFIXES: Final = (
    "in ex|im ex|up down|over under|pre post|ante post|macro micro|hyper hypo|inter intra|max min|intro extro|"
    "endo exo|mono poly|homo hetero|for back|sun moon|pro anti|in de|en de|as des|at det|ac de|a de|en dis|as dis|"
    "im em|im e|uni bi|bi tri|super sub|in out|ultra infra|multi mono|multi single|every no|some no|any no|re de"
)
_NEGATIVE_PREFIXES: Final = frozenset({"un", "non", "dis", "mis", "anti", "mal"})
_LEAST_ROOT: Final = 3
# Words whose prefix does not negate them.
_UNTURNED: Final = listed(
    "inflammable invaluable unloose unloosen unravel unthaw inhabitable disgruntled missing mister mistress"
)


def _groups(text: str) -> Iterator[list[str]]:
    return (group.split() for group in text.replace("\n", " ").split("|"))


def _excluding(groups: Iterable[list[str]]) -> Mapping[str, frozenset[str]]:
    """Returns, for every word, the other words of its groups."""
    found: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        for word in group:
            found[word].update(group)
    return {word: frozenset(others - {word}) for word, others in found.items()}


def _antonyms() -> Iterator[list[str]]:
    pairs = (line.split() for line in wordnet_lines("antonyms.txt"))
    yield from (pair for pair in pairs if _LOOSE.isdisjoint(pair))
    yield from _groups(_OPPOSITES)
    yield from ([f"this_{span}", f"{which}_{span}"] for span in _SPANS for which in _WHICH - {"this"})
    yield from ([day, f"{which}_{span}"] for span in _SPANS for which in _WHICH for day in _DAYS)


_OPPOSED: Final = _excluding(_groups(_OPPOSED_PREFIXES))
_LONGEST_PREFIX: Final = max(map(len, _OPPOSED))
ANTONYMS: Final = _excluding(_antonyms())
"""The opposites of each listed word."""


_KNOWN_PHRASES: Final = [word.replace("_", " ") for word in (*ANTONYMS, *_NO_OPPOSITES.split()) if "_" in word]
_PHRASES: Final = re.compile(rf"\b(?:{'|'.join(sorted(_KNOWN_PHRASES, reverse=True))})\b")


def phrased(words: Sequence[str]) -> list[str]:
    """Returns the words with listed phrases joined: in_front_of."""
    return _PHRASES.sub(lambda found: found[0].replace(" ", "_"), " ".join(words)).split()


class Member(NamedTuple):  # created twelve thousand times at start, and faster than a dataclass
    """A word's place in a family, `first`; the kinds of it have the places up to, but not including, `end`."""

    family: str
    first: int
    end: int

    def includes(self, other: "Member") -> bool:
        return self.first <= other.first < self.end


def _families() -> Mapping[str, tuple[Member, ...]]:
    places: dict[str, tuple[Member, ...]] = {}

    def add(words: Iterable[str], member: Member) -> None:
        for word in words:
            places[word] = (*places.get(word, ()), member)

    for family, lines in _trees():
        depths = [len(line) - len(line.lstrip()) for line in lines]
        for first, (line, end) in enumerate(zip(lines, _ends(depths), strict=True)):
            add(line.split(), Member(family, first, end))
    for number, group in enumerate(_groups(_SIBLINGS)):
        for first, names in enumerate(group):
            add(names.split(","), Member(f"{number}", first, first + 1))
    return places


def _ends(depths: Sequence[int]) -> list[int]:
    """Returns, for each line of a tree, the index after its last deeper line."""
    ends, open_lines = [len(depths)] * len(depths), list[int]()
    for at, depth in enumerate(depths):
        while open_lines and depths[open_lines[-1]] >= depth:
            ends[open_lines.pop()] = at
        open_lines.append(at)
    return ends


def _trees() -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in wordnet_lines("families.txt"):
        if line.startswith(" "):
            lines.append(line)
        else:
            yield name, lines
            name, lines = line, []
    yield name, lines


FAMILIES: Final = _families()
"""Each word's places in the families that it belongs to."""


@lru_cache(maxsize=4096)
def base(word: str) -> str:
    """Returns the listed word that a word is a form of (near for nearest); its stem if there is none."""
    word = _SPELT_OUT.get(word, word)
    if "_" in word:
        return word
    for known in (FAMILIES, ANTONYMS):  # families first: `composed` is from `compose` rather than calm
        found = next((form for form in (word, IRREGULAR.get(word, word), *_detached(word)) if form in known), None)
        if found:
            return _SPELT_OUT.get(found, found)
    return stem(word)


def _detached(word: str) -> Iterator[str]:
    """Yields the words that a word may be a regular form of."""
    for ending, put in _DETACHED:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            left = word.removesuffix(ending)
            yield left + put
            if ending in _DOUBLING and len(left) > 3 and left[-1] == left[-2]:
                yield left[:-1]


@lru_cache(maxsize=4096)
def opposites(word: str) -> frozenset[str]:
    """Returns the words that a base form excludes: listed opposites, and forms with an opposed or negative affix."""
    found = set(ANTONYMS.get(word, ()))
    for size in range(1, min(_LONGEST_PREFIX, len(word) - _LEAST_ROOT) + 1):
        root = word[size:]
        found.update(prefix + root for prefix in _OPPOSED.get(word[:size], ()))
        if word[:size] in _NEGATIVE_PREFIXES and len(root) > _LEAST_ROOT and word not in _UNTURNED:
            found.add(root)
    if len(word) > _LEAST_ROOT:
        found.update(prefix + word for prefix in _NEGATIVE_PREFIXES if prefix + word not in _UNTURNED)
    for ending, turned in (("ful", "less"), ("less", "ful")):
        if word.endswith(ending):
            found.add(word.removesuffix(ending) + turned)
    return frozenset(found)


def are_siblings(one: str, other: str) -> bool:
    """Returns whether both belong to one family, and neither is a kind or a synonym of the other."""
    ours, theirs = FAMILIES.get(one, ()), FAMILIES.get(other, ())
    pairs = [(mine, its) for mine in ours for its in theirs if mine.family == its.family]
    return bool(pairs) and not any(mine.includes(its) or its.includes(mine) for mine, its in pairs)
