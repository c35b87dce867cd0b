"""What happens to a job while every provider that may answer it is down: it waits without blocking others."""

import time
from collections.abc import Hashable, Sequence

from weft.common.v1 import error_pb2
from weft_router.fleet.registry import Registry
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.routing.selection import RouteCandidate

_RETURNS_PER_S = 200.0
_MOST_KINDS = 10_000
"""Beyond this number, kinds without waiting jobs are forgotten."""
_LAST_S = 1.0
"""A waiting job with less time to live keeps its slot, since its end must be written in time."""


class ProviderOutage(Exception):
    """No provider takes the job's call now. One may after `wait_s`; `error` says why none does."""

    def __init__(self, error: ProviderError, wait_s: float) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_s = wait_s

    @property
    def may_pass(self) -> bool:
        """Whether waiting helps: a refused key needs someone to change it."""
        return self.error.remedy.may_pass


def outage(model: str, registry: Registry, candidates: Sequence[RouteCandidate]) -> ProviderOutage | None:
    """Returns why no breaker of the candidates lets a call pass; None when one does."""
    if any(one.allowed for one in candidates):
        return None
    now = time.monotonic()
    healths = [registry.health(one.route) for one in candidates]
    wait_s = min(health.breaker.closed_for_s(now) for health in healths)
    last = ", ".join(dict.fromkeys(health.last_reason for health in healths if health.last_reason))
    message = f"every provider of {model!r} keeps failing" + (f", last with {last}" if last else "")
    if all(health.last_remedy and not health.last_remedy.may_pass for health in healths):
        message += "; waiting does not mend that: `weft providers check` tells the operator what does"
        return ProviderOutage(_unreachable(message, Remedy.ANOTHER_PROVIDER), wait_s)
    message += f"; one is asked again in {wait_s:.1f} s"
    return ProviderOutage(_unreachable(message, Remedy.ANOTHER_TRY), wait_s)


class Returns:
    """Spreads the return of waiting jobs, so that waiting costs almost nothing: at most 200 a second of one `kind`.

    A kind is one lane and one model: it does not delay the return of other tenants' jobs. Times are of one steady
    clock.
    """

    def __init__(self) -> None:
        self._next: dict[Hashable, float] = {}

    def after_s(self, kind: Hashable, wait_s: float, left_s: float, now: float) -> float | None:
        """Returns the seconds after which a job should check again, with `left_s` to live; None if it should not leave.

        A job does not queue for longer than half of its remaining time.
        """
        if left_s <= _LAST_S:
            return None
        if len(self._next) >= _MOST_KINDS:
            self._next = {other: due for other, due in self._next.items() if due > now}
        at = max(now + wait_s, self._next.get(kind, now))
        self._next[kind] = at + 1 / _RETURNS_PER_S
        return min(at - now, left_s / 2)


def _unreachable(message: str, remedy: Remedy) -> ProviderError:
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, message, remedy)
