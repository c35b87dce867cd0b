"""A circuit breaker for parts one can do without: what does not answer is left alone for a moment."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """Opens after `threshold` failures in a row, for `rest_s`; then one call at a time may try."""

    threshold: int
    rest_s: float
    _failures: int = field(default=0, init=False)
    _closed_from: float = field(default=0.0, init=False)

    def allows(self, now: float) -> bool:
        """Returns whether to call at `now`. Allowing a trial keeps others away for another rest."""
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
    """For how long a part has owed answers without giving any: so one that is down differs from one that is busy.

    Only time in which somebody waited counts. Times are seconds of one steady clock.
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
        """Notes that an answer is not waited for any longer; returns how long the silence has lasted."""
        self._owed -= 1
        self._lasted_s = now - self._since
        return self._lasted_s


@dataclass(slots=True)
class CallBreaker:
    """A breaker for calls that may be late: it opens for a part that fails or is silent, not for one that is busy.

    A part is silent that owed answers and gave nobody any for `silence_s`; each call that is late then counts as
    `silence_counts` failures.
    """

    breaker: Breaker
    silence_s: float
    silence_counts: int
    clock: Callable[[], float] = time.monotonic
    silence: Silence = field(default_factory=Silence, init=False)

    def allows(self) -> bool:
        """Returns whether to call now. Allowing a trial keeps others away for another rest."""
        return self.breaker.allows(self.clock())

    @contextmanager
    def call(self) -> Iterator["WatchedCall"]:
        """One call, made in the block, which says what became of it; one of which nothing is said was given up."""
        self.silence.asked(self.clock())
        watched = WatchedCall(self)
        try:
            yield watched
        finally:
            if watched.is_open:
                watched.given_up()


@dataclass(slots=True)
class WatchedCall:
    """A call until it is said what became of it, once."""

    by: CallBreaker
    is_open: bool = True

    def succeeded(self) -> None:
        """It was answered by a part that works."""
        self.refused()
        self.by.breaker.succeeded()

    def refused(self) -> None:
        """It was answered, which says nothing of whether the part works."""
        self.is_open = False
        self.by.silence.heard(self.by.clock())

    def failed(self) -> None:
        """It was answered by a part that does not work."""
        self.refused()
        self.by.breaker.failed(self.by.clock())

    def broke(self) -> None:
        """It cannot be answered any more."""
        self.given_up()
        self.by.breaker.failed(self.by.clock())

    def late(self) -> bool:
        """Its time was over. Returns whether the part is silent."""
        is_silent = self.given_up() >= self.by.silence_s
        if is_silent:
            self.by.breaker.failed(self.by.clock(), self.by.silence_counts)
        return is_silent

    def given_up(self) -> float:
        """Nobody waits for its answer any longer. Returns for how long the part has been silent."""
        self.is_open = False
        return self.by.silence.given_up(self.by.clock())
