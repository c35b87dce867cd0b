"""Whether a stream keeps up: one that only trickles is worse than one that breaks off."""

from collections import deque

from weft_kit.catalog.routing import Throughput


class Flow:
    """Watches one stream. Times are seconds of one steady clock."""

    def __init__(self, floor: Throughput) -> None:
        self.floor = floor
        self._began: float | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def came(self, tokens: int, now: float) -> None:
        """Note tokens that have just come."""
        if self._began is None:
            self._began = now
            return
        self._recent.append((now, tokens))
        self._tokens += tokens

    def trickles(self, now: float) -> bool:
        """Say whether fewer tokens came in the last `over_s` seconds than must; never before so long has passed."""
        if self._began is None or now - self._began < self.floor.over_s:
            return False
        while self._recent and self._recent[0][0] <= now - self.floor.over_s:
            self._tokens -= self._recent.popleft()[1]
        return self._tokens < self.floor.tokens_per_s * self.floor.over_s
