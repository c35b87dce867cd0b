"""What a provider takes, known beforehand: calls at once, and calls a minute."""

from collections import deque

_MINUTE_S = 60.0


class Caps:
    """Counts one provider's calls against its caps; None means that there is none. Times are of one steady clock."""

    def __init__(self, max_concurrency: int | None, calls_per_minute: int | None) -> None:
        self.max_concurrency = max_concurrency
        self.calls_per_minute = calls_per_minute
        self.in_flight = 0
        self._begun: deque[float] = deque()

    def has_room(self, now: float) -> bool:
        return not self._is_full() and self.rest_s(now) == 0

    def rest_s(self, now: float) -> float:
        """Return how long until the calls of the last minute leave room for one more, in seconds."""
        if self.calls_per_minute is None:
            return 0.0
        while self._begun and self._begun[0] <= now - _MINUTE_S:
            self._begun.popleft()
        if len(self._begun) < self.calls_per_minute:
            return 0.0
        return self._begun[-self.calls_per_minute] + _MINUTE_S - now

    def begun(self, now: float) -> None:
        self.in_flight += 1
        if self.calls_per_minute is not None:
            self._begun.append(now)

    def ended(self) -> None:
        self.in_flight -= 1

    def _is_full(self) -> bool:
        return self.max_concurrency is not None and self.in_flight >= self.max_concurrency
