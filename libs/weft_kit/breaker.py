"""A circuit breaker for optional services: one that does not answer is left alone for a moment."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """Opens for `rest_s` after `threshold` failures in a row; then one trial per rest may pass, until one succeeds."""

    threshold: int
    rest_s: float
    _failures: int = field(default=0, init=False)
    _closed_from: float = field(default=0.0, init=False)

    def allows(self, now: float) -> bool:
        """Returns whether to call at `now`. Once a trial is allowed, other calls are refused for another rest."""
        if self._failures < self.threshold:
            return True
        if now < self._closed_from:
            return False
        self._closed_from = now + self.rest_s
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float, times: int = 1) -> None:
        self._failures += times
        self._closed_from = now + self.rest_s


@dataclass(slots=True)
class Silence:
    """How long a service has had calls outstanding without answering any: this tells one that is down from a busy one.

    Only time in which a caller waits counts. Times are seconds of one steady clock.
    """

    _owed: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)
    _lasted_s: float = field(default=0.0, init=False)

    def asked(self, now: float) -> None:
        if not self._owed:
            self._since = now - self._lasted_s
        self._owed += 1

    def heard(self, now: float) -> None:
        """Notes an answer, a refusal included."""
        self._owed -= 1
        self._since, self._lasted_s = now, 0.0

    def given_up(self, now: float) -> float:
        """Notes that a caller no longer waits for an answer; returns how long the silence has lasted."""
        self._owed -= 1
        self._lasted_s = now - self._since
        return self._lasted_s


@dataclass(slots=True)
class CallBreaker:
    """A breaker for calls that may be late: it opens for a service that fails or is silent, not for one that is busy.

    A service is silent if it has owed answers for `silence_s` and given none; each late call then counts as
    `silence_counts` failures.
    """

    breaker: Breaker
    silence_s: float
    silence_counts: int
    clock: Callable[[], float] = time.monotonic
    silence: Silence = field(default_factory=Silence, init=False)

    def allows(self) -> bool:
        """Returns whether to call now. Once a trial is allowed, other calls are refused for another rest."""
        return self.breaker.allows(self.clock())

    @contextmanager
    def call(self) -> Iterator["WatchedCall"]:
        """Runs one call in the block, which reports its outcome; without a report, the call counts as given up."""
        self.silence.asked(self.clock())
        watched = WatchedCall(self)
        try:
            yield watched
        finally:
            if watched.is_open:
                watched.given_up()


@dataclass(slots=True)
class WatchedCall:
    """A call whose outcome is to be reported, once."""

    by: CallBreaker
    is_open: bool = True

    def succeeded(self) -> None:
        """Notes an answer from a working service."""
        self.refused()
        self.by.breaker.succeeded()

    def refused(self) -> None:
        """Notes an answer that does not show whether the service works."""
        self.is_open = False
        self.by.silence.heard(self.by.clock())

    def failed(self) -> None:
        """Notes an answer from a failing service."""
        self.refused()
        self.by.breaker.failed(self.by.clock())

    def broke(self) -> None:
        """Notes that the call can no longer be answered, because the connection broke."""
        self.given_up()
        self.by.breaker.failed(self.by.clock())

    def late(self) -> bool:
        """Notes that the call's time is over; returns whether the service is silent."""
        is_silent = self.given_up() >= self.by.silence_s
        if is_silent:
            self.by.breaker.failed(self.by.clock(), self.by.silence_counts)
        return is_silent

    def given_up(self) -> float:
        """Notes that the caller no longer waits; returns how long the service has been silent."""
        self.is_open = False
        return self.by.silence.given_up(self.by.clock())
