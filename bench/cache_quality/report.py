"""bench/CACHE.md: what was measured, how, and where the cache still loses."""

from collections.abc import Sequence

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
the families trained the verifier, 10 % served to choose, 30 % are reported. The thresholds were measured on 450
questions held out of banking77's train split. GPTCache's set and every sixth question of banking77's test split were
looked at while the rule of leads was made, so that their figures flatter it somewhat; the threshold was then chosen
with GPTCache's in view."""
_LOSSES = """\
Quora's labels are noisy: of pairs with a cosine above .95, a seventh is labelled different, some of them plainly
the same question, so that precisions above .93 rest on few pairs, and there a plain cosine does better. A stored
question that has no neighbours gives the rule of leads nothing to go by: such caches serve only very near questions.
Where answers are free text, neighbours seldom have equal answers, and partitions with many paraphrases of one question
serve less than banking77's figure, in which an intent has one answer. The verifier learnt questions; of statements, as
GPTCache's are, it knows little. Guards know English words."""


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
            f"{one.a_second:.0f}",
        )
        for one in times
    ]
    text = (
        f"{entries:,} entries in one partition; Valkey, the cache, the inference service and the caller share the "
        "machine. Exact: a question that is stored. Semantic: another question, so that it is embedded, searched for "
        "and, where something is near, compared. One after another; the last column is eight callers at once."
    )
    return ["## Speed", "", *paragraph(text), *table(("lookup", "p50", "p99", "hits", "lookups a second"), rows)]
