"""The aims of retrieval, and whether they were reached."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.report.document import Aim, aims_section
from bench.retrieval_quality.known_items import Recall
from bench.retrieval_quality.scale import Stretch

_WAY: Final = "both (default)"
_RECALL: Final[Mapping[str, tuple[str, float]]] = {
    "zh": ("Chinese (XQuAD)", 0.90),
    "jaquad": ("Japanese (JaQuAD)", 0.88),
    "ru": ("Russian (XQuAD)", 0.93),
}
_P50_MS: Final = 25
_P99_MS: Final = 80
_GROWTH: Final = 2
_ABOUT: Final = """\
With the default parts and settings. Known items: of the questions of the half that nothing was chosen on, the share
whose paragraph is among the first three hits."""


def aims(known: Sequence[Recall], stretches: Sequence[Stretch]) -> list[Aim]:
    """Returns every aim of retrieval, even if its set was missing."""
    reached = {one.corpus: one.recall for one in known if one.way == _WAY}
    return [
        *(_recall(name, least, reached.get(key)) for key, (name, least) in _RECALL.items()),
        *_speed(stretches),
    ]


def render(found: Sequence[Aim]) -> list[str]:
    """Returns the table at the top of the report."""
    return aims_section(found, _ABOUT)


def _recall(name: str, least: float, reached: float | None) -> Aim:
    wanted = f"{name}, known items: recall@3 of at least {least:.2f}"
    return Aim(wanted, "", None) if reached is None else Aim(wanted, f"{reached:.3f}", reached >= least)


def _speed(stretches: Sequence[Stretch]) -> list[Aim]:
    p50, p99 = f"a search of 100,000 chunks: p50 below {_P50_MS} ms", f"… p99 below {_P99_MS} ms"
    growth = f"… less than {_GROWTH} times the time of 10,000"
    sizes = {seen.chunks: seen for seen in stretches}
    if not {10_000, 100_000} <= sizes.keys():
        return [Aim(wanted, "", None) for wanted in (p50, p99, growth)]
    small, large = sizes[10_000].without, sizes[100_000].without
    times = large.p50.median / small.p50.median
    return [
        Aim(p50, f"{large.p50:.1f}", large.p50.median < _P50_MS),
        Aim(p99, f"{large.p99:.1f}", large.p99.median < _P99_MS),
        Aim(growth, f"{times:.1f}", times < _GROWTH),
    ]
