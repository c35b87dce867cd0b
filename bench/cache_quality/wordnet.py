"""The guards' word lists, derived from the files of WordNet 3.0: `python -m bench.cache_quality.wordnet FOLDER`.

FOLDER holds data.noun, index.noun and so on, as Debian's `wordnet-base` installs them in /usr/share/wordnet. The
same folder always gives the same lists.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

PACKAGED: Final = Path("services/cache/weft_cache/guards/wordnet")
_KINDS: Final = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_KIND_OF_DIGIT: Final = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
_LEAST_SHARE: Final = 0.25
_LEAST_SHARE_OF_NOUNS: Final = 0.1
_MOST_RANK: Final = 3
_REGULAR_ENDINGS: Final = ("ed", "ing", "ies", "ied", "er", "est", "es")
_NO_FORM: Final = "left"  # the direction, rather than what somebody left
_ADJECTIVES: Final = frozenset({"color", "element", "language"})
_TURNING_PREFIXES: Final = frozenset({"a", "anti", "counter", "de", "dis", "il", "im", "in", "ir", "mis", "non", "un"})
_PLACES: Final = frozenset({"country", "state", "city", "continent", "planet", "zodiac", "holiday"})
_FAMILIES: Final = {
    "animal": "animal.1",
    "food": "food.1 food.2 edible_fruit.1 vegetable.1 vegetable.2 nut.1 beverage.1 flavorer.1 spice.2 grain.2",
    "body": "body_part.1",
    "instrument": "musical_instrument.1",
    "element": "chemical_element.1 metal.1 metal.2",
    "relative": "relative.1",
    "month": "gregorian_calendar_month.1",
    "weekday": "day_of_the_week.1",
    "season": "season.2",
    "meal": "meal.1",
    "daytime": "time_of_day.1",
    "country": "country.2 european_country.1 asian_country.1 african_country.1 north_american_country.1 "
    "south_american_country.1",
    "state": "american_state.1 canadian_province.1",
    "city": "city.1",
    "continent": "continent.1",
    "language": "natural_language.1",
    "people": "inhabitant.1",
    "color": "color.1",
    "planet": "planet.1",
    "sport": "sport.1 game.1",
    "currency": "monetary_unit.1",
    "discipline": "discipline.1",
    "vehicle": "vehicle.1",
    "clothing": "clothing.1",
    "furniture": "furniture.1",
    "disease": "disease.1",
    "medicine": "medicine.2",
    "religion": "religion.1 religion.2",
    "dance": "dance.3 dancing.1",
    "music": "music_genre.1",
    "weapon": "weapon.1",
    "room": "room.1",
    "building": "building.1",
    "gem": "gem.2 gem.5",
    "plant": "tree.1 flower.1 herb.1 shrub.1 bulbous_plant.1",
    "polygon": "polygon.1",
    "zodiac": "sign_of_the_zodiac.1",
    "appliance": "home_appliance.1",
    "operation": "mathematical_operation.1",
    "occupation": "worker.1 professional.1",
    "fabric": "fabric.1",
    "symptom": "symptom.1 pain.1 pain.2",
    "holiday": "season.3 christian_holy_day.1 jewish_holy_day.1 legal_holiday.1 holiday.2",
    "tool": "tool.1",
}


# Words for many of their family, or for a part of another: a question about one is often a question about the other.
_LOOSE: Final = (
    "pet clothes clothing underwear sibling siblings parent child relative meal dish food head ear belly abdomen "
    "person worker general communications animal vehicle "
    "kingdom republic empire nation land dominion state symptom pain ache feast holiday season"
)
# Spellings that are used for either meaning.
_EITHER_WAY: Final = "java east west north south"
_NAMING: Final = ("country", "state", "city", "continent", "planet", "month", "language", "people")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A link from a word of one synset (0: from all) to a word of another."""

    symbol: str
    target: str
    source_word: int
    target_word: int


@dataclass(frozen=True, slots=True)
class Synset:
    """Words with one meaning. `key` is unique: the kind of word and the place in the file."""

    key: str
    words: Sequence[str]
    pointers: Sequence[Pointer]

    @classmethod
    def parse(cls, kind: str, line: str) -> Self:
        fields = line.partition(" | ")[0].split()
        count = int(fields[3], 16)
        words = [word.partition("(")[0] for word in fields[4 : 4 + 2 * count : 2]]
        links = fields[5 + 2 * count : 5 + 2 * count + 4 * int(fields[4 + 2 * count])]
        pointers = [
            Pointer(symbol, ("a" if of == "s" else of) + place, int(ends[:2], 16), int(ends[-2:], 16))
            for symbol, place, of, ends in zip(*(iter(links),) * 4, strict=True)
        ]
        return cls(kind + fields[0], words, pointers)


class WordNet:
    """Synsets, the senses of every word, most frequent first, and how often each occurs in tagged text."""

    def __init__(self, folder: Path) -> None:
        self.synsets = {
            synset.key: synset
            for name, kind in _KINDS.items()
            for synset in (Synset.parse(kind, line) for line in _entries(folder / f"data.{name}"))
        }
        self.senses: dict[tuple[str, str], list[str]] = {}
        for name, kind in _KINDS.items():
            for line in _entries(folder / f"index.{name}"):
                fields = line.split()
                self.senses[fields[0], kind] = [kind + place for place in fields[-int(fields[2]) :]]
        self.seen: dict[tuple[str, str, int], int] = defaultdict(int)
        for line in (folder / "cntlist.rev").read_text("utf-8").splitlines():
            key, number, count = line.split()
            word, _, rest = key.partition("%")
            self.seen[word, _KIND_OF_DIGIT[rest[0]], int(number)] += int(count)
        self.irregular = {
            (form, kind): base
            for name, kind in _KINDS.items()
            for form, base, *_ in (line.split() for line in (folder / f"{name}.exc").read_text("utf-8").splitlines())
        }
        self.below: dict[tuple[str, str], list[str]] = defaultdict(list)
        for synset in self.synsets.values():
            for pointer in synset.pointers:
                if pointer.symbol in {"@", "@i"}:
                    self.below[pointer.symbol, pointer.target].append(synset.key)

    def rank(self, word: str, key: str) -> int:
        """Returns the place of a meaning among those of a word, from 1."""
        return self.senses[word.lower(), key[0]].index(key) + 1

    def times(self, word: str, kinds: str = "nvar") -> int:
        """Returns how often a word occurs, in any meaning."""
        return sum(
            self.seen[word, kind, number + 1]
            for kind in kinds
            for number in range(len(self.senses.get((word, kind), ())))
        )

    def share(self, word: str, key: str, kinds: str) -> float:
        """Returns the share of a word's occurrences with a meaning; without occurrences, 1 for its first meanings."""
        word, rank = word.lower(), self.rank(word, key)
        total = self.times(word, kinds)
        return self.seen[word, key[0], rank] / total if total else float(rank <= _MOST_RANK)


def _entries(path: Path) -> Iterator[str]:
    """Yields the lines of a file of WordNet after the licence."""
    return (line for line in path.read_text("utf-8", "replace").splitlines() if line and not line.startswith("  "))


def _is_plain(word: str) -> bool:
    return word.isascii() and word.isalpha() and len(word) > 2


def antonyms(wordnet: WordNet) -> set[tuple[str, str]]:
    """Returns pairs of words that WordNet calls opposites, and words of the same meanings that are as usual."""
    found = set()
    for synset in wordnet.synsets.values():
        for pointer in synset.pointers:
            if pointer.symbol == "!":
                other = wordnet.synsets[pointer.target]
                named = (synset.words[pointer.source_word - 1], other.words[pointer.target_word - 1])
                found.add(named)
                found |= {
                    (one, two)
                    for one in synset.words
                    for two in other.words
                    if wordnet.rank(one, synset.key) == wordnet.rank(two, other.key) == 1 or _is_prefixed(one, two)
                }
    return {
        (min(pair), max(pair))
        for pair in found
        if pair[0] != pair[1] and all(word.islower() and _is_plain(word) for word in pair)
    }


def _is_prefixed(one: str, two: str) -> bool:
    """Returns whether one word is the other with a prefix that reverses it: deactivate, activate."""
    short, long = sorted((one, two), key=len)
    return long.endswith(short) and long.removesuffix(short) in _TURNING_PREFIXES


def family(wordnet: WordNet, roots: Iterable[str], *, has_names: bool, as_noun: bool) -> list[str]:
    """Returns the words under the roots as an indented tree: synonyms share a line, kinds of a word are deeper.

    `has_names` also lists names (France is a country). `as_noun` ignores how often a word is not a noun (a red car).
    """
    lines: list[str] = []
    listed: set[str] = set()

    def walk(key: str, depth: int) -> None:
        if key in listed:
            return
        listed.add(key)
        words = [word for word in wordnet.synsets[key].words if _is_member(wordnet, word, key, as_noun=as_noun)]
        if words:
            lines.append(" " * depth + " ".join(word.lower() for word in words))
        under = wordnet.below["@", key] + (wordnet.below["@i", key] if has_names else [])
        for below in sorted(under, key=lambda place: (wordnet.synsets[place].words[0], place)):
            walk(below, depth + bool(words))

    for root in roots:
        word, _, number = root.partition(".")
        walk(wordnet.senses[word, "n"][int(number) - 1], 1)
    return lines


def _is_member(wordnet: WordNet, word: str, key: str, *, as_noun: bool) -> bool:
    """Returns whether a word alone usually has a meaning; not a name that is also a common word (Nice, Reading)."""
    if not _is_plain(word) or word in _LOOSE.split() or wordnet.rank(word, key) > _MOST_RANK:
        return False
    return wordnet.share(word, key, "n" if as_noun else "nvar") >= (_LEAST_SHARE_OF_NOUNS if as_noun else _LEAST_SHARE)


def irregular(wordnet: WordNet) -> Mapping[str, str]:
    """Returns irregular forms that no rule leads back to their word, except those that are common words (left)."""
    return {
        form: base
        for (form, kind), base in wordnet.irregular.items()
        if kind in "nv" and form != _NO_FORM and _is_plain(form) and _is_plain(base) and base.islower()
        if not form.endswith(_REGULAR_ENDINGS)
        if kind == "n" or wordnet.times(form) <= wordnet.times(base) * _LEAST_SHARE
        if wordnet.times(base)
    }


def homonyms(wordnet: WordNet) -> set[str]:
    """Returns names of places, months, peoples and languages that are also common words with another meaning."""
    written = [[word for word in synset.words if _is_plain(word)] for synset in wordnet.synsets.values()]
    common = {word for words in written for word in words if word.islower()}
    either_way = {word.lower() for words in written for word in words if word.istitle() and word.lower() in words}
    keys = [
        wordnet.senses[word, "n"][int(number) - 1]
        for name in _NAMING
        for word, _, number in (root.partition(".") for root in _FAMILIES[name].split())
    ]
    seen: set[str] = set()
    while keys:
        if (key := keys.pop()) not in seen:
            seen.add(key)
            keys += wordnet.below["@", key] + wordnet.below["@i", key]
    named = {word.lower() for key in seen for word in wordnet.synsets[key].words if word.istitle()}
    return (named & common) - either_way - set(_EITHER_WAY.split())


def licence(folder: Path) -> Iterator[str]:
    """Yields the licence before the entries of each file, without its line numbers."""
    for line in (folder / "data.noun").read_text("utf-8", "replace").splitlines():
        if not line.startswith("  "):
            return
        yield line.strip().partition(" ")[2].rstrip()


def main(folder: Path) -> None:
    wordnet = WordNet(folder)
    trees = {
        name: family(wordnet, roots.split(), has_names=name in _PLACES, as_noun=name in _ADJECTIVES)
        for name, roots in _FAMILIES.items()
    }
    _write("antonyms.txt", (" ".join(pair) for pair in sorted(antonyms(wordnet))))
    _write("families.txt", (line for name, tree in trees.items() for line in (name, *tree)))
    _write("irregular.txt", (" ".join(pair) for pair in sorted(irregular(wordnet).items())))
    _write("homonyms.txt", sorted(homonyms(wordnet)))
    _write("LICENSE", licence(folder))


def _write(name: str, lines: Iterable[str]) -> None:
    PACKAGED.mkdir(exist_ok=True)
    (PACKAGED / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.cache_quality.wordnet", description=__doc__)
    parser.add_argument("folder", type=Path, help="WordNet 3.0's files")
    given = parser.parse_args().folder
    if not (given / "data.noun").is_file():
        parser.error(f"{given} holds no data.noun: install wordnet-base, and name /usr/share/wordnet")
    main(given)
