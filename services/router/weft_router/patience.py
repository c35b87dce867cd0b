"""How long a provider is waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from weft.common.v1 import error_pb2
from weft_kit.catalog import Timeouts
from weft_router.providers.port import ProviderError


@asynccontextmanager
async def patience(limits: Timeouts) -> AsyncIterator[Callable[[], None]]:
    """Bound the time to the first token, between two, and in all; yields what to call at each token.

    Raises:
        ProviderError: PROVIDER_TIMEOUT, with the limit that was passed.
    """
    loop = asyncio.get_running_loop()
    last_moment = loop.time() + limits.total_s
    waiting_for, renew_at = "first_token_s", 0.0

    def token_came() -> None:
        nonlocal waiting_for, renew_at
        now = loop.time()
        # Setting a timer costs more than a token may: tokens close together share one, which is then a tenth early.
        if now >= renew_at:
            waiting_for, renew_at = "between_tokens_s", now + limits.between_tokens_s / 10
            scope.reschedule(min(now + limits.between_tokens_s, last_moment))

    try:
        async with asyncio.timeout_at(min(loop.time() + limits.first_token_s, last_moment)) as scope:
            yield token_came
    except TimeoutError:
        if not scope.expired():
            raise
        limit = "total_s" if loop.time() >= last_moment else waiting_for
        message = f"no answer within timeouts.{limit} ({getattr(limits, limit):g} s); raise it or ask for less"
        raise ProviderError(error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, message) from None
