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
