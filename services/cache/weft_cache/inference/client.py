"""Calls the inference service within the remaining time, and stops calling it for a while after failures."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from weft.common.v1 import error_pb2
from weft_kit.breaker import Breaker, CallBreaker
from weft_kit.logging import note
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import DeadlineExceeded, Overloaded, WeftError

_FAILURES: Final = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}


class InferenceClient:
    """Gives every call its caller's remaining time, and stops calling a failed service for a while.

    Neither a refusal because of a full queue nor a late answer is a failure: both come from load. A service that
    answers no call at all for `silence_s` counts as failed. `limit_s` is for callers without a deadline.
    """

    def __init__(self, channel: Channel, limit_s: float, silence_s: float, rest_s: float) -> None:
        self.channel = channel
        self._limit_s = limit_s
        self._breaker = CallBreaker(Breaker(threshold=3, rest_s=rest_s), silence_s, silence_counts=3)

    async def ask(self, method: Callable[..., Awaitable[Any]], request: object) -> Any | None:
        """Returns the response, or None if the service failed or is not being called.

        Raises:
            DeadlineExceeded: the caller's time was over first.
            Overloaded: the service has too much to do.
        """
        if not self._breaker.allows():
            return None
        limits = self.channel.call(self._limit_s)
        with self._breaker.call() as call:
            try:
                response = await self.channel.unary(method(request, **limits))
            except DeadlineExceeded:
                call.late()
                raise
            except WeftError as error:
                note(inference=error.reason_name)
                if error.reason == error_pb2.ERROR_REASON_OVERLOADED:
                    call.refused()
                    raise Overloaded(error.message, error.retry_after_s or 0.0) from error
                if error.status in _FAILURES:
                    call.failed()
                else:
                    call.refused()
                return None
            call.succeeded()
        return response
