"""The sections about quality: each is a text, and a table with a row for each set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.cache_quality import sets
from bench.cache_quality.judging import Judge
from bench.cache_quality.measures import Served
from bench.cache_quality.more_sets import LANGUAGES, SetMissing
from bench.cache_quality.pairs import Pair, Split
from bench.cache_quality.results import COSINES, Result, of_pairs, of_store
from bench.cache_quality.stores import of_pairs as store_of_pairs
from bench.report.markdown import paragraph, table

_PRECISIONS: Final = (0.99, 0.98, 0.95, 0.9)
_UNIQUE: Final = """\
Every stored text has an answer of its own, as a model gives. Of Quora's, MRPC's and STS-b's pairs all texts are stored
once, and of each that has a duplicate one is asked, itself left out: right is what it is labelled a duplicate of,
directly or through others. Of CLINC150 and banking77 the train split is stored and the test split asked: right is an
utterance of the same intent, which is generous (another utterance of an intent is not always the same question)."""
_UNANSWERED: Final = """\
Nothing in the store answers what is asked, so that every hit is wrong; of Quora's questions as far as labels know: most
pairs in that store have no label."""
_INTENTS: Final = """\
All texts of an intent have one answer, as where a bot answers from a list: a hit of any text of the right intent is
right."""
_MIXED: Final = (
    "The unique answers of all these sets in one store, and questions of each, with those that none answers."
)
_LONE: Final = """\
One text is stored, the other asked, and nothing else is there: the tier has no neighbours to go by. Recall is of the
pairs labelled the same. The swapped ones were made (two words of a question on both sides of a preposition changed
places) and are all taken as different."""
_GPTCACHE: Final = """\
999 texts are stored, 964 of them different; a paraphrase of each is looked up. Right is the text it was made from, and
no other."""
_LANGUAGES: Final = """\
STS-b's sentences in other languages, as lone pairs and in one store. Languages that the embedder, the guards and the
verifier do not know are served from the exact tier only: no hits are what is wanted there."""

Build = Callable[[], Result]


@dataclass(frozen=True, slots=True)
class Section:
    """Sets under one heading, each by its name with a function that builds its result."""

    heading: str
    about: str
    builds: Mapping[str, Build]


def all_sections(judge: Judge, sources: sets.Sources) -> Mapping[str, Section]:
    """Returns the sections by the name that `--only` takes."""
    stores = partial(_stores, judge)
    test = Split.TEST
    unique = {**sets.unique_answers(sources, test), **sets.unlearnt(sources)}
    pairs = {name: partial(_lone, judge, name, make) for name, make in sets.lone_pairs(sources, test).items()}
    return {
        "unique": Section("Stores with unique answers", _UNIQUE, stores(unique)),
        "unanswered": Section("Nothing there answers it", _UNANSWERED, stores(sets.unanswered(sources, test))),
        "mixed": Section("Mixed store", _MIXED, stores(sets.mixed(sources, test))),
        "lone": Section("Lone pairs", _LONE, pairs),
        "intents": Section("An answer an intent", _INTENTS, stores(sets.intent_answers(sources, test))),
        "gptcache": Section("GPTCache's own benchmark", _GPTCACHE, stores(sets.paraphrases(sources))),
        "languages": Section("Other languages", _LANGUAGES, _languages(judge, sources)),
    }


def measure(section: Section) -> tuple[list[Result], list[str]]:
    """Returns a section's results, and a line for each set that is missing."""
    results, missing = [], []
    for name, build in section.builds.items():
        try:
            results.append(build())
        except SetMissing as problem:
            missing.append(f"**{name}** was not measured: {problem}.")
    return results, missing


def render(section: Section, results: Sequence[Result], missing: Sequence[str], threshold: float) -> list[str]:
    """Returns a section as Markdown."""
    lines = ["## " + section.heading, "", *paragraph(section.about)]
    if results:
        lines += table(_HEAD, [_row(one, threshold) for one in results])
        curve = [_curve(one) for one in results if one.answerable and one.served(0.0).hits]
        lines += table(("most recall at", *(f"{1 - p:.0%} wrong" for p in _PRECISIONS)), curve) if curve else []
    for sentence in missing:
        lines += paragraph(sentence)
    return lines


_HEAD: Final = (
    "set",
    "asked",
    "hits",
    "recall",
    "wrong of the hits",
    "labelled so",
    "cosine, as many hits",
    *(f"≥ {least:.2f}".replace("0.", ".") for least in COSINES),
)


def _row(one: Result, threshold: float) -> tuple[str, ...]:
    tier = one.served(threshold)
    return (
        one.name,
        f"{tier.lookups:,}",
        f"{tier.hit_share:.1%}",
        f"{one.recall(tier):.1%}" if one.answerable else "-",
        wrong_of(tier),
        f"{one.known_wrong(threshold)} of {tier.wrong}",
        wrong_of(one.by_as_many(threshold)),
        *(f"{wrong.wrong_share.rate:.1%} of {wrong.hit_share:.1%}" for wrong in map(one.by_cosine, COSINES)),
    )


def wrong_of(result: Served) -> str:
    """Returns the share of wrong hits, with its 95 % interval."""
    wrong = result.wrong_share
    return f"{wrong.rate:.1%} ({wrong.low:.1%}–{wrong.high:.1%})" if result.hits else "no hits"  # noqa: RUF001


def _curve(one: Result) -> tuple[str, ...]:
    recalls = (one.recall_at(precision) for precision in _PRECISIONS)
    return one.name, *(f"{tier:.1%} (cosine {cosine:.1%})" for tier, cosine in recalls)


def _stores(judge: Judge, made: Mapping[str, sets.Make]) -> dict[str, Build]:
    return {name: partial(_store, judge, make) for name, make in made.items()}


def _store(judge: Judge, make: sets.Make) -> Result:
    return of_store(judge, make())


def _lone(judge: Judge, name: str, make: sets.MakePairs) -> Result:
    return of_pairs(judge, name, make())


def _languages(judge: Judge, sources: sets.Sources) -> dict[str, Build]:
    found: dict[str, Build] = {}
    for language in LANGUAGES:
        pairs = partial(sets.translated, sources, Split.TEST, language)
        found[f"{language}, lone"] = partial(_lone, judge, f"{language}, lone", pairs)
        found[f"{language}, store"] = partial(_in_one_store, judge, f"{language}, store", pairs, sources.at_most)
    return found


def _in_one_store(judge: Judge, name: str, make: Callable[[], list[Pair]], at_most: int) -> Result:
    return of_store(judge, store_of_pairs(name, make(), at_most))
