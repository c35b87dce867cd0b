"""A circuit breaker: keeps calls away from a provider's model that keeps failing, and probes whether it is back.

The maintained libraries (pybreaker, aiobreaker, purgatory, circuitbreaker) wrap one awaited call and count failures in
a row. Here a call is a stream that can fail after it answered, be too slow without failing, or be abandoned by us,
which says nothing about the provider; what counts is the share of failures among recent calls, as in resilience4j. So
this is our own rule, with time as an argument.
"""

from collections import deque
from enum import Enum, auto

from weft_kit.catalog.routing import Breaking


class BreakerState(Enum):
    """CLOSED: calls pass. OPEN: calls are refused. HALF_OPEN: probes pass, a few at a time."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class CallOutcome(Enum):
    """What a call says about its provider."""

    GOOD = auto()
    SLOW = auto()
    BAD = auto()
    NOTHING = auto()
    """The router abandoned the call, or it would have failed anywhere."""


class ProviderBreaker:
    """The breaker of one provider's model. Times are seconds of one steady clock."""

    def __init__(self, limits: Breaking) -> None:
        self.limits = limits
        self._recent: deque[tuple[float, CallOutcome]] = deque(maxlen=limits.window_calls)
        self._open_s = limits.open_s
        self._open_until: float | None = None
        self._probing = 0
        self._probes_passed = 0
        self.times_opened = 0
        """Counts only what was observed here."""

    def state(self, now: float) -> BreakerState:
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Returns whether a call may pass now."""
        match self.state(now):
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN:
                return False
            case BreakerState.HALF_OPEN:
                return self._probing < self.limits.probes

    def closed_for_s(self, now: float) -> float:
        """Returns how long to wait before a call has a chance."""
        if self._open_until is None or self.allows(now):
            return 0.0
        return max(self._open_until - now, self.limits.open_s / 2)

    def begun(self, now: float) -> bool:
        """Notes that a call begins; returns whether it is a probe."""
        is_probe = self.state(now) is BreakerState.HALF_OPEN
        self._probing += is_probe
        return is_probe

    def ended(self, outcome: CallOutcome, now: float, *, is_probe: bool) -> bool:
        """Notes how a call ended; returns whether that opened the breaker."""
        self._probing -= is_probe
        if outcome is CallOutcome.NOTHING:
            return False
        if is_probe:
            return self._probed(outcome, now)
        if self._open_until is not None:
            return False  # it began before the breaker opened, and says nothing new
        self._recent.append((now, outcome))
        if not self._is_too_bad(now):
            return False
        self._open(now)
        return True

    def opened_elsewhere(self, for_s: float, now: float) -> None:
        """Opens because another replica has seen enough failures; each replica probes for itself."""
        if self._open_until is None:
            self._open_until = now + for_s
            self._probes_passed = 0

    def open_for_s(self, now: float) -> float:
        """Returns how much longer calls are refused, in seconds; 0 if they are not."""
        return max(0.0, self._open_until - now) if self._open_until is not None else 0.0

    def _probed(self, outcome: CallOutcome, now: float) -> bool:
        if self._open_until is None:
            return False
        if outcome is CallOutcome.BAD:
            self._open_s = min(self._open_s * 2, self.limits.longest_open_s)
            self._open(now)
            return True
        self._probes_passed += 1
        if self._probes_passed >= self.limits.probes:
            self._open_until, self._open_s = None, self.limits.open_s
            self._recent.clear()
        return False

    def _open(self, now: float) -> None:
        self._open_until = now + self._open_s
        self._probes_passed = 0
        self.times_opened += 1

    def _is_too_bad(self, now: float) -> bool:
        limits, window_s = self.limits, self.limits.window_s
        recent = [outcome for at, outcome in self._recent if now - at <= window_s]
        if len(recent) < limits.minimum_calls:
            return False
        bad, slow = recent.count(CallOutcome.BAD), recent.count(CallOutcome.SLOW)
        return bad >= limits.failure_share * len(recent) or slow >= limits.slow_share * len(recent)
