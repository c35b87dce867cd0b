"""Rate limits counted in this process while the shared ones cannot be reached."""

from collections.abc import Sequence

from weft_gateway.auth.gcra import (
    RateLimit,
    RateRefusal,
    next_due_us,
    wait_us,
)


class LocalLimiter:
    """Tracks at most `capacity` callers; beyond that, callers that have been silent are forgotten."""

    def __init__(self, capacity: int = 50_000) -> None:
        self._capacity = capacity
        self._due_us: dict[str, int] = {}

    def admit(self, limits: Sequence[RateLimit], now_us: int) -> RateRefusal | None:
        """Admits a call under all of its limits, or under none."""
        waits = [
            RateRefusal(limit, wait_us(self._due_us.get(limit.id, 0), now_us, limit.rate, limit.calls))
            for limit in limits
        ]
        longest = max(waits, key=lambda refusal: refusal.wait_us, default=None)
        if longest is not None and longest.wait_us > 0:
            return longest
        for limit in limits:
            self._due_us[limit.id] = next_due_us(self._due_us.get(limit.id, 0), now_us, limit.rate, limit.calls)
        if len(self._due_us) > self._capacity:
            self._forget(now_us)
        return None

    def _forget(self, now_us: int) -> None:
        # A caller whose next call is already due is like one never seen. Under a flood of new addresses none may be:
        # then starting over is better than growing.
        busy = {name: due for name, due in self._due_us.items() if due > now_us}
        self._due_us = busy if len(busy) <= self._capacity // 2 else {}
