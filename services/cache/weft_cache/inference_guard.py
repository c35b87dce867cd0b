"""The inference service that answers soon or not at all."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from weft_kit.breaker import Breaker
from weft_kit.channel import Channel
from weft_kit.errors import DeadlineExceeded, Unavailable, WeftError
from weft_kit.logging import note


class InferenceGuard:
    """Gives every call a short limit, and leaves a service that broke several alone for a rest."""

    def __init__(self, channel: Channel, limit_s: float, rest_s: float) -> None:
        self._channel = channel
        self._limit_s = limit_s
        self._breaker = Breaker(threshold=3, rest_s=rest_s)

    async def ask(self, method: Callable[..., Awaitable[Any]], request: object) -> Any | None:
        """The response, or None: it did not come in time, or was not waited for."""
        if not self._breaker.allows(time.monotonic()):
            return None
        call = self._channel.call(self._limit_s)
        try:
            response = await self._channel.unary(method(request, **call))
        except WeftError as error:
            note(inference=error.reason_name)
            # A caller with no time left says nothing about the service, and must not shut it to others.
            is_late = isinstance(error, DeadlineExceeded) and call["timeout"] == self._limit_s
            if is_late or isinstance(error, Unavailable):
                self._breaker.failed(time.monotonic())
            return None
        self._breaker.succeeded()
        return response
