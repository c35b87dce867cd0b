"""How far a share measured on a sample can be trusted."""

import math
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959964
"""Standard deviations on either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a sample, and the interval that holds the true one with 95 % confidence. All are 0-1."""

    rate: float
    low: float
    high: float


def share(counted: int, sample: int) -> Share:
    """Returns Wilson's score interval (E. B. Wilson, JASA 22, 1927), which stays honest for small samples and rare
    events.

    Source of that judgement: Brown, Cai and DasGupta, Statistical Science 16(2), 2001. Of nothing, nothing is known.
    """
    if sample <= 0:
        return Share(0.0, 0.0, 1.0)
    rate, square = counted / sample, _Z * _Z
    middle = (rate + square / (2 * sample)) / (1 + square / sample)
    margin = _Z / (1 + square / sample) * math.sqrt(rate * (1 - rate) / sample + square / (4 * sample * sample))
    # At the ends both are exactly the rate, but for what rounding leaves.
    low = 0.0 if counted == 0 else middle - margin
    high = 1.0 if counted == sample else middle + margin
    return Share(rate, low, high)
