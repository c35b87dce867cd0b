"""bench/CACHE.md: what was measured, how, and where the cache still loses."""

from collections.abc import Mapping, Sequence

from bench.cache_quality.load import Level
from bench.cache_quality.speed import Times
from bench.markdown import paragraph, table
from bench.report import machine

_METHOD = """\
Every judgement is made by the code that serves: floor, guards and rule of choice of weft_cache, the verifier of
weft_inference in int8, the threshold of the shipped calibration at the default target. Only the search is a plain
product of matrices; speed is measured through the processes themselves. The rows beside it are what a cosine threshold
serves on the same MiniLM vectors: .80 as GPTCache has it, .90 as RedisVL's default distance of .1."""
_SPLIT = """\
Quora's pairs are split by families: questions linked by any pair, directly or through others, are on one side. 60 % of
the families trained the verifier, 10 % served to choose, 30 % are reported. The thresholds were measured on 3,000
utterances of banking77's train split, looked up among the rest of it. GPTCache's set was in view while the weights of
the rule were chosen, banking77's test split only while an earlier form of it was."""
_LOSSES = """\
Quora's labels are noisy: of pairs with a cosine above .95, a seventh is labelled different, some of them plainly the
same question, so that precisions above .93 rest on few pairs and vary from sample to sample. banking77's are, too: most
of what is wrong there has five neighbours of one intent and reads like them. A lone question has no lead to go by, and
a wide lead over questions that are about something else says little more: in a shelf of Quora questions a tenth of
what is served has another label than what was asked, of which by eye half is right. Where answers are free text,
neighbours seldom have equal answers, and partitions with many paraphrases of one question serve less than banking77's
figure, in which an intent has one answer. The verifier learnt questions; of statements, as GPTCache's are, it knows
little, and refuses one paraphrase in eight. Guards know English words. A semantic lookup was to take 12 ms, and two
cores were to serve 200 a second: four fifths of its CPU is MiniLM, which reads the question and then the pairs."""


def render(sections: Sequence[Sequence[str]]) -> str:
    """Writes the report as Markdown."""
    head = ["# The semantic cache, measured", "", *paragraph(f"Made by `make eval-cache` on {machine()}.")]
    method = [*paragraph(_METHOD), *paragraph(_SPLIT)]
    losses = ["## Where it still loses", "", *paragraph(_LOSSES)]
    return "\n".join([*head, *method, *(line for section in sections for line in section), *losses]).rstrip() + "\n"


def speed(times: Sequence[Times], entries: int) -> list[str]:
    """The section about speed."""
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
    """The section about load."""
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
            " / ".join(f"{level.outcomes.percentile_ms(place, 'overloaded'):.0f} ms" for place in (50, 99)),
            f"{sum(level.cpu_ms.values()):.0f} ms",
        )
        for level in levels
    ]
    crowds = ", ".join(f"{level.others_percent:.0f} %" for level in levels)
    return [*table(head, rows), *paragraph(f"Meanwhile others had {crowds} of the cores, line by line.")]
