"""What this replica has seen of one provider: how fast, how often it failed, and whether to ask it now."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from weft_router.breaker import Breaker, BreakerLimits
from weft_router.providers.port import ProviderError, Remedy

_WINDOW = 256
_WEIGHT = 0.2


class ProviderHealth:
    """Counts the calls to one provider. Times are seconds of `time.monotonic`, but for `last_error_unix_s`."""

    def __init__(self, limits: BreakerLimits) -> None:
        self.breaker = Breaker(limits)
        self.in_flight = 0
        self.succeeded = 0
        self.failed = 0
        self.last_call_succeeded: bool | None = None
        self.last_error = ""
        self.last_error_unix_s = 0.0
        self._first_tokens_s: deque[float] = deque(maxlen=_WINDOW)
        self._mean_first_token_s = 0.0

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Count one call as it begins and as it ends: a ProviderError is a failure, another error says nothing."""
        self.in_flight += 1
        self.breaker.begun(time.monotonic())
        try:
            yield
            self._succeed()
        except ProviderError as error:
            self._fail(error)
            raise
        except BaseException:
            self.breaker.left()
            raise
        finally:
            self.in_flight -= 1

    def first_token(self, after_s: float) -> None:
        """Note when the first token of a call came."""
        self._first_tokens_s.append(after_s)
        before = self._mean_first_token_s
        self._mean_first_token_s = before + _WEIGHT * (after_s - before) if before else after_s

    @property
    def expected_first_token_s(self) -> float:
        """The recent mean, times the calls a new one would share the provider with."""
        return self._mean_first_token_s * (self.in_flight + 1)

    def first_token_quantile_s(self, share: float) -> float | None:
        """Return the time below which `share` of the recent first tokens came; None before the first."""
        if not self._first_tokens_s:
            return None
        ordered = sorted(self._first_tokens_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def _succeed(self) -> None:
        self.succeeded += 1
        self.last_call_succeeded = True
        self.breaker.succeeded()

    def _fail(self, error: ProviderError) -> None:
        self.failed += 1
        self.last_error = error.message
        self.last_error_unix_s = time.time()
        if error.remedy in (Remedy.NOTHING, Remedy.ANOTHER_REPLICA):
            # A request that no provider would take, or a replica that shuts down, says nothing about this one.
            self.breaker.left()
            return
        self.last_call_succeeded = False
        self.breaker.failed(time.monotonic())
