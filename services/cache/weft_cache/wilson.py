"""How much a share measured on a sample can be trusted."""

import math
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959964
"""Standard deviations on either side of the mean that contain 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a sample, and the interval that contains the true share with 95 % confidence; all from 0 to 1."""

    rate: float
    low: float
    high: float


def share(counted: int, sample: int) -> Share:
    """Returns Wilson's score interval (E. B. Wilson, JASA 22, 1927), which is reliable for small samples and rare
    events (Brown, Cai and DasGupta, Statistical Science 16(2), 2001).

    Without a sample the interval is 0 to 1.
    """
    if sample <= 0:
        return Share(0.0, 0.0, 1.0)
    rate, square = counted / sample, _Z * _Z
    middle = (rate + square / (2 * sample)) / (1 + square / sample)
    margin = _Z / (1 + square / sample) * math.sqrt(rate * (1 - rate) / sample + square / (4 * sample * sample))
    # At 0 and 1 the bound equals the rate exactly; computed, it would be off by rounding.
    low = 0.0 if counted == 0 else middle - margin
    high = 1.0 if counted == sample else middle + margin
    return Share(rate, low, high)
