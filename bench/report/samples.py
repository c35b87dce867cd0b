"""Figures measured several times, and quantiles."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """Values of a figure, one for each round. Formats as `median (lowest to highest)`."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Samples":
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __format__(self, form: str) -> str:
        if len(self.values) == 1:
            return format(self.median, form)
        return f"{self.median:{form}} ({min(self.values):{form}} to {max(self.values):{form}})"


def quantile(values: Iterable[float], share: float) -> float:
    """Returns the value below which a share of the values lies; NaN if there are none."""
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
