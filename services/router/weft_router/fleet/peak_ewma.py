"""An average that rises at once and falls slowly: how long a provider's first token takes at present.

After Finagle's `PeakEwma` (twitter.github.io/finagle/guide/Clients.html, "Power of Two Choices + Peak EWMA").
"""

import math

_MEMORY_S = 10.0


class PeakEwma:
    """Follows a time, in seconds. `now` is of one steady clock.

    A longer time counts in full at once; a shorter one lowers the average, by more the longer ago the last one was.
    Without new times it decays, so that a provider that was slow once is tried again.
    """

    def __init__(self, memory_s: float = _MEMORY_S) -> None:
        self._memory_s = memory_s
        self._mean_s = 0.0
        self._at = 0.0

    def observe(self, seconds: float, now: float) -> None:
        fresh = 1.0 - math.exp((self._at - now) / self._memory_s)
        self._mean_s = max(seconds, self._mean_s + fresh * (seconds - self._mean_s))
        self._at = now

    def value_s(self, now: float) -> float:
        """Returns the average as it has decayed by now; 0 if nothing was ever observed."""
        return self._mean_s * math.exp((self._at - now) / self._memory_s)
