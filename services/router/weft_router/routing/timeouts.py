"""How long to wait for a provider, and whether its stream keeps up.

A stream that only trickles is worse than one that breaks.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from google.protobuf import duration_pb2

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.catalog.routing import Throughput, Timeouts
from weft_kit.rpc.time import seconds_of
from weft_router.providers.provider import ProviderError


def timeouts(of_alias: Timeouts, wanted: job_pb2.Routing) -> Timeouts:
    """Returns the timeouts of one request: its own if it has them, otherwise its alias's."""
    return Timeouts(
        first_token_s=_seconds(wanted.first_token_timeout) or of_alias.first_token_s,
        between_tokens_s=_seconds(wanted.between_tokens_timeout) or of_alias.between_tokens_s,
        total_s=_seconds(wanted.total_timeout) or of_alias.total_s,
    )


@asynccontextmanager
async def patience(
    limits: Timeouts, of_alias: Timeouts, floor: Throughput | None = None
) -> AsyncIterator[Callable[[int], None]]:
    """Limits the time to the first token, between two tokens and in total, and the pace; yields a callback for new
    tokens.

    Raises:
        ProviderError: PROVIDER_TIMEOUT, with the limit that was exceeded. A limit that the request set, stricter than
        `of_alias`, does not count against the provider.
    """
    loop = asyncio.get_running_loop()
    last_moment = loop.time() + limits.total_s
    waiting_for, renew_at = "first_token_s", 0.0
    flow = StreamPace(floor) if floor else None

    def tokens_came(count: int) -> None:
        nonlocal waiting_for, renew_at
        now = loop.time()
        if flow:
            flow.came(count, now)
            if flow.trickles(now):
                raise _trickle(flow.floor)
        # Setting a timer costs more than a token may: tokens close together share one, which is then a tenth early.
        if now >= renew_at:
            waiting_for, renew_at = "between_tokens_s", now + limits.between_tokens_s / 10
            scope.reschedule(min(now + limits.between_tokens_s, last_moment))

    try:
        async with asyncio.timeout_at(min(loop.time() + limits.first_token_s, last_moment)) as scope:
            yield tokens_came
    except TimeoutError:
        if not scope.expired():
            raise
        limit = "total_s" if loop.time() >= last_moment else waiting_for
        limit_s, usual_s = getattr(limits, limit), getattr(of_alias, limit)
        message = f"no answer within timeouts.{limit} ({limit_s:g} s); raise it or ask for less"
        raise ProviderError(error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, message, is_impatience=limit_s < usual_s) from None


def _trickle(floor: Throughput) -> ProviderError:
    message = (
        f"fewer than throughput.tokens_per_s ({floor.tokens_per_s:g}) tokens a second came over {floor.over_s:g} s;"
        " lower it, or look why the provider is slow"
    )
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, message)


def _seconds(duration: duration_pb2.Duration) -> float:
    return max(0.0, seconds_of(duration))


class StreamPace:
    """Watches the pace of one stream. Times are seconds of one steady clock."""

    def __init__(self, floor: Throughput) -> None:
        self.floor = floor
        self._began: float | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def came(self, tokens: int, now: float) -> None:
        """Notes tokens that have just arrived."""
        if self._began is None:
            self._began = now
            return
        self._recent.append((now, tokens))
        self._tokens += tokens

    def trickles(self, now: float) -> bool:
        """Returns whether fewer tokens arrived in the last `over_s` seconds than required; never before that time has
        passed.
        """
        if self._began is None or now - self._began < self.floor.over_s:
            return False
        while self._recent and self._recent[0][0] <= now - self.floor.over_s:
            self._tokens -= self._recent.popleft()[1]
        return self._tokens < self.floor.tokens_per_s * self.floor.over_s
