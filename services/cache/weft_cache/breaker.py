"""A circuit breaker: a part that does not answer is left alone for a moment."""


class Breaker:
    """Opens after `threshold` failures in a row, for `rest_s`; then one caller at a time may try."""

    def __init__(self, threshold: int, rest_s: float) -> None:
        self._threshold, self._rest_s = threshold, rest_s
        self._failures = 0
        self._opens_at = 0.0

    def allows(self, now: float) -> bool:
        """Whether to ask at `now`. Letting one try keeps the others away for another rest."""
        if self._failures < self._threshold:
            return True
        if now < self._opens_at:
            return False
        self._opens_at = now + self._rest_s
        return True

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """None came."""
        self._failures += 1
        self._opens_at = now + self._rest_s
