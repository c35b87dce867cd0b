"""What this replica has observed of one provider's model: its speed, its failures, and whether to call it now."""

import time
from collections import Counter, deque

import structlog

from weft_kit.catalog.routing import Breaking
from weft_router import metrics
from weft_router.fleet.breaker import CallOutcome, ProviderBreaker
from weft_router.fleet.peak_ewma import PeakEwma
from weft_router.providers.provider import ProviderError, Remedy

_WINDOW = 256
_WEIGHT = 0.2
_ENOUGH = 20
_FAR_FROM_USUAL = 5.0


class ProviderHealth:
    """Counts calls. Times are seconds of `time.monotonic`, but for `last_error_unix_s`."""

    def __init__(self, limits: Breaking, provider: str = "", model: str = "") -> None:
        self.breaker = ProviderBreaker(limits)
        self._provider = provider
        self._model = model
        self.in_flight = 0
        self.succeeded = 0
        self.failed = 0
        self.errors: Counter[str] = Counter()
        self.last_call_succeeded: bool | None = None
        self.last_error = ""
        self.last_reason = ""
        self.last_remedy: Remedy | None = None
        self.last_error_unix_s = 0.0
        self.tokens_per_second = 0.0
        self.first_tokens_s: deque[float] = deque(maxlen=_WINDOW)
        self._expected = PeakEwma()

    def begun(self, now: float) -> bool:
        """Notes a call; returns whether it is a probe of the breaker."""
        self.in_flight += 1
        return self.breaker.begun(now)

    def first_token(self, after_s: float, now: float) -> None:
        """Notes when the first token of a call came."""
        self.first_tokens_s.append(after_s)
        self._expected.observe(after_s, now)

    def succeeded_with(self, tokens: int, speaking_s: float) -> None:
        self.succeeded += 1
        self.last_call_succeeded = True
        if tokens > 1 and speaking_s > 0:
            rate = (tokens - 1) / speaking_s
            before = self.tokens_per_second
            self.tokens_per_second = before + _WEIGHT * (rate - before) if before else rate

    def failed_with(self, error: ProviderError) -> None:
        self.failed += 1
        self.errors[error.reason_name] += 1
        self.last_error = error.kind
        if not error.is_requests_fault:
            self.last_reason, self.last_remedy = error.reason_name, error.remedy
        self.last_error_unix_s = time.time()

    def ended(self, outcome: CallOutcome, now: float, *, is_probe: bool) -> None:
        self.in_flight -= 1
        if outcome is CallOutcome.BAD:
            self.last_call_succeeded = False
        if self.breaker.ended(outcome, now, is_probe=is_probe):
            metrics.BREAKERS_OPENED.labels(self._provider, self._model).inc()
            open_s = self.breaker.open_for_s(now)
            structlog.get_logger().warning(
                "breaker opened", provider=self._provider, model=self._model, open_s=open_s, last_error=self.last_error
            )

    def expected_first_token_s(self, now: float) -> float:
        """Returns the recent time to the first token; 0 when none was seen."""
        return self._expected.value_s(now)

    def unusually_late_s(self) -> float | None:
        """Returns after how long a first token is late enough to call another provider; None while too little is known.

        That is the p95, and never more than five times the median: where slow calls are themselves a twentieth of all,
        the p95 is one of them.
        """
        if len(self.first_tokens_s) < _ENOUGH:
            return None
        ordered = sorted(self.first_tokens_s)
        return min(_at(ordered, 0.95), _FAR_FROM_USUAL * _at(ordered, 0.5))


def quantile_s(first_tokens_s: "deque[float] | list[float]", share: float) -> float | None:
    """Returns the time below which `share` of first tokens came; None when there are none."""
    return _at(sorted(first_tokens_s), share) if first_tokens_s else None


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
