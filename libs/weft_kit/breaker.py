"""A circuit breaker for parts one can do without: what does not answer is left alone for a moment."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """Opens after `threshold` failures in a row, for `rest_s`; then one call at a time may try."""

    threshold: int
    rest_s: float
    _failures: int = field(default=0, init=False)
    _closed_from: float = field(default=0.0, init=False)

    def allows(self, now: float) -> bool:
        """Whether to call at `now`. Allowing a trial keeps others away for another rest."""
        if self._failures < self.threshold:
            return True
        if now < self._closed_from:
            return False
        self._closed_from = now + self.rest_s
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        self._closed_from = now + self.rest_s

    def broke(self, now: float) -> None:
        """Opens at once, however few failures there were."""
        self._failures = max(self._failures, self.threshold)
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
