"""One call to a provider, as seen by its health and its limits: begun, perhaps answered, and ended once."""

import time

from weft_router.fleet.breaker import BreakerState, CallOutcome
from weft_router.fleet.concurrency import ConcurrencyLimit
from weft_router.fleet.health import ProviderHealth
from weft_router.providers.provider import ProviderError, Remedy


class ProviderCall:
    """Counts from its creation, so that many jobs at once cannot all be the one probe of a breaker."""

    def __init__(self, health: ProviderHealth, concurrency_limit: ConcurrencyLimit) -> None:
        now = time.monotonic()
        self._health = health
        self._concurrency_limit = concurrency_limit
        self._began = now
        self._first_token_s: float | None = None
        self._is_over = False
        self._is_probe = health.begun(now)
        concurrency_limit.entered(now)

    def unusually_late_s(self) -> float | None:
        return self._health.unusually_late_s()

    def first_token(self, after_s: float) -> None:
        self._first_token_s = after_s
        self._health.first_token(after_s, time.monotonic())

    def succeeded(self, tokens: int) -> None:
        now = time.monotonic()
        speaking_s = now - self._began - (self._first_token_s or 0.0)
        self._health.succeeded_with(tokens, speaking_s)
        self._over(CallOutcome.SLOW if self._is_slow(now) else CallOutcome.GOOD, now)

    def failed(self, error: ProviderError) -> bool:
        """Notes a failure; returns whether the breaker now keeps calls away from the provider."""
        now = time.monotonic()
        self._health.failed_with(error)
        # A request that no provider would accept, or a replica that shuts down, says nothing about this provider.
        says_nothing = error.is_requests_fault or error.remedy in (Remedy.NOTHING, Remedy.ANOTHER_REPLICA)
        self._over(CallOutcome.NOTHING if says_nothing else CallOutcome.BAD, now)
        return not says_nothing and self._health.breaker.state(now) is not BreakerState.CLOSED

    def lose(self) -> None:
        """Notes that another call was faster: this one's first token would have taken at least as long as it has so
        far.
        """
        now = time.monotonic()
        self._health.first_token(now - self._began, now)
        self.left()

    def left(self) -> None:
        """Notes that the router abandoned the call. That says nothing about the provider, unless it was slow by
        then.
        """
        now = time.monotonic()
        self._over(CallOutcome.SLOW if self._is_slow(now) else CallOutcome.NOTHING, now)

    def _is_slow(self, now: float) -> bool:
        slow_s = self._health.breaker.limits.slow_s
        waited_s = now - self._began if self._first_token_s is None else self._first_token_s
        return slow_s is not None and waited_s > slow_s

    def _over(self, outcome: CallOutcome, now: float) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._health.ended(outcome, now, is_probe=self._is_probe)
        self._concurrency_limit.left()
