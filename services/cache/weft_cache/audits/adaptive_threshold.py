"""The level of strictness of a partition, which rises when audits find wrong hits.

Each level requires more certainty, and on the last one the semantic tier is off. Over time the level goes down again,
one step at a time, so a partition that is strict without need recovers by itself. Each further time that the tier is
turned off, it stays off for twice as long.
"""

from dataclasses import dataclass, replace
from typing import Final

from weft_cache.wilson import share

_LEAST_WRONG: Final = 2
"""One wrong answer may be a variation of the model: even at temperature 0 its answers are not always the same."""
_MEMORY: Final = 500
"""After this many audits the counts are halved, so that a change becomes visible."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How the level moves: up when certainly more than `bound` of the hits are wrong. Times are in seconds."""

    bound: float = 0.02
    rungs: int = 3
    hold_s: float = 24 * 3600.0
    rest_s: float = 3600.0
    longest_rest_s: float = 7 * 24 * 3600.0

    @property
    def off(self) -> int:
        """The level on which the tier does not answer."""
        return self.rungs + 1


@dataclass(frozen=True, slots=True)
class AdaptiveThreshold:
    """A partition's level, when it was reached, and the results of audits on this level.

    Level 0 is the common threshold. `rests` is how often the tier was turned off since the partition was last on it.
    """

    level: int = 0
    since: float = 0.0
    audits: int = 0
    wrong: int = 0
    rests: int = 0


def as_of(watch: AdaptiveThreshold, now: float, ladder: Ladder) -> AdaptiveThreshold:
    """Returns the state at `now`, in Unix seconds: one level lower for each stay that has ended."""
    while watch.level > 0 and now - watch.since >= (stay_s := _stay_s(watch, ladder)):
        level = min(watch.level, ladder.off) - 1
        watch = AdaptiveThreshold(level, watch.since + stay_s, rests=watch.rests if level else 0)
    return watch


def judged(watch: AdaptiveThreshold, *, is_wrong: bool, now: float, ladder: Ladder) -> AdaptiveThreshold:
    """Returns the state after one more audit. While the tier is off audits do not count: their hits are older."""
    watch = as_of(watch, now, ladder)
    if watch.level >= ladder.off:
        return watch
    audits, wrong = watch.audits + 1, watch.wrong + is_wrong
    if wrong >= _LEAST_WRONG and share(wrong, audits).low > ladder.bound:
        level = watch.level + 1
        return AdaptiveThreshold(level, now, rests=watch.rests + (level == ladder.off))
    if audits >= _MEMORY:
        audits, wrong = audits // 2, wrong // 2
    return replace(watch, audits=audits, wrong=wrong)


def raised(threshold: float, level: int, ladder: Ladder) -> float:
    """Returns the threshold on a level.

    Levels are evenly spaced from the threshold to 1, at which only equal questions match.
    """
    return threshold + (1 - threshold) * min(level, ladder.off) / ladder.off if level else threshold


def _stay_s(watch: AdaptiveThreshold, ladder: Ladder) -> float:
    if watch.level < ladder.off:
        return ladder.hold_s
    return min(ladder.longest_rest_s, ladder.rest_s * 2.0 ** min(max(0, watch.rests - 1), 32))
