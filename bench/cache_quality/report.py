"""bench/CACHE.md: what was measured, how, and what the cache still gets wrong."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.cache_quality.load import Level
from bench.cache_quality.speed import Times
from bench.report.document import machine
from bench.report.markdown import paragraph, table

_METHOD: Final = """\
Every judgement is made by the code that serves: floor, guards, verifier in int8, rule of choice and the threshold of
the shipped calibration at the default target. Only the search is a plain product of matrices; speed is measured through
the processes themselves. Beside it stands what a threshold on MiniLM's cosine alone serves, on the same vectors: the
one that gives as many hits on that set, which is the best that one number can do and known only afterwards, and .80 (as
GPTCache has it), .90 (RedisVL's default distance of .1) and .95, as wrong hits of all hits of that threshold. Brackets
hold the 95 % interval (Wilson's). "Labelled so" are the wrong hits that somebody compared and found different: in
stores made of pairs the rest was never labelled."""
_SOURCES: Final = """\
Quora's pairs, GPTCache's benchmark and banking77 lie in the folder DATA with loaders for them. The others are files of
the folder SETS as their repositories have them: clinc150/data_full.json (clinc/oos-eval@828f809, CC BY 3.0),
stsb/LANGUAGE-PART.csv (PhilipMay/stsb-multi-mt@30de0de; translated by DeepL), msr/msr-para-PART.tsv (Microsoft Research
Paraphrase Corpus, brmson/dataset-sts@e1d3375)."""
_USES_HEAD: Final = (
    "set",
    "verifier trained on",
    "rule chosen on",
    "reported",
    "seen before",
)
_USES: Final = (
    ("Quora", "TRAIN: 60 % of the families", "VALIDATION: 10 %", "TEST: 30 %", "by the former rule"),
    ("MRPC", "train", "val", "test", "by the former rule"),
    ("STS-b, English", "train", "dev", "test", "by the former rule"),
    ("STS-b, other languages", "-", "-", "test", "by the former rule"),
    (
        "CLINC150",
        "train, four of five intents; oos_train",
        "val, oos_val",
        "test, oos_test",
        "by the former rule",
    ),
    (
        "banking77",
        "train, four of five intents",
        "3,000 of train beside its rest",
        "test",
        "while an older rule was chosen",
    ),
    ("GPTCache's 999", "-", "-", "all", "while the former rule was chosen"),
)
_SPLIT: Final = """\
Quora's pairs are split by families: questions linked by any pair, directly or through others, are on one side."""


_LOSSES: Final = (
    """Labels. Of the 49 hits of Quora's store that count as wrong one was labelled different; the others nobody had
    compared. By eye 4 of the 49 ask something else, 6 of the 31 on banking77's store of intents (where "How do I top
    up?" is of one intent and "how can i top up?" of another), and none of GPTCache's 10, whose texts come in near
    pairs. Of the 65 hits of questions without a duplicate 46 were labelled different; in the validation part 23 of 29
    such hits read like the same question. So less is wrong than these tables say, and they prove no more than labels
    are worth: one and two per cent on banking77 is below the share of its labels that is in doubt.""",
    """Recall. A paraphrase in other words is a miss: nearness and the verifier must both be sure, and a cosine below
    .92 is near enough only among neighbours that all have one answer. The best single cosine, known only afterwards,
    has more recall where a tenth of the hits may be wrong.""",
    """Sentences. STS-b's store holds captions that differ in a detail, graded 3.8 where 4 counts as the same: a sixth
    of what is served there counts as wrong, of the cosine's as many a fifth.""",
    """Swapped words. Of pairs in which two words changed places around a preposition 3 % are served; of patterns
    that no guard knows it may be more. Guards know English; other languages are for the exact tier.""",
)


def render(sections: Sequence[Sequence[str]], needed: float, target: float) -> str:
    """Writes the report as Markdown."""
    head = ["# The semantic cache, measured", "", *paragraph(f"Made by `make eval-cache` on {machine()}.")]
    threshold = f"The target precision is {target}, which takes a certainty of {needed:.2f}."
    aims, *others = sections
    method = [*paragraph(f"{_METHOD} {threshold}"), *paragraph(_SPLIT), *paragraph(_SOURCES)]
    uses = ["## What was seen before", "", *table(_USES_HEAD, _USES, words=5)]
    lines = [line for section in others for line in section]
    losses = ["## Where it still loses", "", *(line for text in _LOSSES for line in paragraph(" ".join(text.split())))]
    return "\n".join([*head, *aims, *method, *uses, *lines, *losses]).rstrip() + "\n"


def speed(times: Sequence[Times], entries: int) -> list[str]:
    """Returns the section about speed."""
    rows = [
        (
            one.name,
            f"{one.median_ms:.1f} ms",
            f"{one.p99_ms:.1f} ms",
            f"{one.hits} of {one.lookups}",
            f"{one.lookups_a_second:.0f}",
            f"{one.hits_a_second:.0f}",
        )
        for one in times
    ]
    costs = [(one.name, *(f"{spent:.1f} ms" for spent in one.cpu_ms.values())) for one in times]
    crowds = ", ".join(f"{one.others_percent:.0f} %" for one in times)
    text = (
        f"{entries:,} entries in one partition; Valkey, the cache, the inference service and the caller share the "
        "machine. Exact: a question that is stored. Semantic: another question, so that each is embedded, searched for "
        "and, where something is near, compared. One after another; the last two columns are eight callers at once. "
        f"Meanwhile other processes and the machine's host had {crowds} of the cores, line by line."
    )
    return [
        "## Speed",
        "",
        *paragraph(text),
        *table(("lookup", "p50", "p99", "hits", "lookups a second", "hits a second"), rows),
        *table(("CPU of a lookup", *times[0].cpu_ms), costs),
    ]


_LOADS = {
    "patient": (
        "Answers take 5 s, so a lookup may take 1 s. Each caller asks again at once, whatever became of its lookup. "
        "Aim: at 64 callers the hits are what they are at one."
    ),
    "hurried": (
        "Answers take 0.75 s, so a lookup may take 0.15 s, which two cores cannot give to all. A caller that is not "
        "served asks its provider, and comes back after 0.75 s. Aim: hits a second stay near their most, and the "
        "others are refused early and cheaply."
    ),
    "open": "Answers take 5 s. Arrivals at even distances; capacity is the most lookups a second of the first table.",
    "beside": "Answers take 5 s. One caller beside a crowd. Aim: its hits are what they are alone.",
}


def load(levels: Sequence[Level]) -> list[str]:
    """Returns the section about load."""
    lines = ["## Load", ""]
    for group, text in _LOADS.items():
        lines += [*paragraph(text), *_load_table([level for level in levels if level.group == group])]
    return [*lines, *paragraph(_reached({level.name: level for level in levels if level.group == "patient"}))]


def _reached(patient: Mapping[str, Level]) -> str:
    one, many = (patient[name].outcomes.share("hit") for name in ("1 caller", "64 callers"))
    return f"Reached: at 64 callers {many:.1%} of the lookups hit, and {one:.1%} at one."


def _load_table(levels: Sequence[Level]) -> list[str]:
    head = ("load", "lookups / s", "hit", "hits / s", "refused", "late", "p50", "p99", "refused in, p50 / p99", "CPU")
    rows = [
        (
            level.name,
            f"{level.a_second:.0f}",
            f"{level.outcomes.share('hit'):.1%}",
            f"{level.hits_a_second:.0f}",
            f"{level.outcomes.share('overloaded'):.1%}",
            f"{level.outcomes.share('late', 'store_down'):.1%}",
            f"{level.outcomes.percentile_ms(50):.0f} ms",
            f"{level.outcomes.percentile_ms(99):.0f} ms",
            " / ".join(f"{level.outcomes.percentile_ms(percent, 'overloaded'):.0f} ms" for percent in (50, 99)),
            f"{sum(level.cpu_ms.values()):.0f} ms",
        )
        for level in levels
    ]
    crowds = ", ".join(f"{level.others_percent:.0f} %" for level in levels)
    return [*table(head, rows), *paragraph(f"Meanwhile others had {crowds} of the cores, line by line.")]
