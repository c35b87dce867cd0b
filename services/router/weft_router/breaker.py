"""A circuit breaker: keeps calls away from a provider that keeps failing, and lets single probes find out.

Kept libraries (pybreaker, aiobreaker, purgatory) wrap one awaited call. Here a call is a stream that can fail after it
answered, or be left by us, which says nothing about the provider; so the rule stands alone, with time as an argument.
"""

from dataclasses import dataclass
from enum import Enum, auto


class BreakerState(Enum):
    """CLOSED: calls pass. OPEN: calls are kept away. HALF_OPEN: one call passes at a time."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Opens after this many failures in a row, for `open_s`, twice as long each time a probe fails."""

    failures: int = 5
    open_s: float = 2.0
    longest_open_s: float = 30.0


class Breaker:
    """One provider's breaker. Times are seconds of one steady clock."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._failures = 0
        self._open_s = limits.open_s
        self._open_until: float | None = None
        self._probing = False

    def state(self, now: float) -> BreakerState:
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Say whether a call may pass now."""
        state = self.state(now)
        return state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and not self._probing)

    def closed_for_s(self, now: float) -> float:
        """Return how long to wait before a call has a chance."""
        if self.allows(now) or self._open_until is None:
            return 0.0
        return max(self._open_until - now, self._limits.open_s / 2)

    def begun(self, now: float) -> None:
        """Note that a call begins; in HALF_OPEN it is the probe."""
        if self.state(now) is BreakerState.HALF_OPEN:
            self._probing = True

    def succeeded(self) -> None:
        self._failures = 0
        self._open_s = self._limits.open_s
        self._open_until = None
        self._probing = False

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._open_until is None and self._failures >= self._limits.failures:
            self._open_until = now + self._open_s
        elif self._probing:
            self._open_s = min(self._open_s * 2, self._limits.longest_open_s)
            self._open_until = now + self._open_s
        self._probing = False

    def left(self) -> None:
        """Note that a call was left by us: it proves nothing."""
        self._probing = False
