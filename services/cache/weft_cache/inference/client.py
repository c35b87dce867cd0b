"""The inference service, asked for as long as there is time, and left alone where it fails."""

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
    """Gives every call what time its caller has, and leaves a service that failed several alone for a rest.

    A refusal for too much that waits is no failure, nor is an answer that comes late: both say how much is asked. Only
    one that said nothing to anybody for `silence_s` is left alone too. `limit_s` is for callers without a deadline.
    """

    def __init__(self, channel: Channel, limit_s: float, silence_s: float, rest_s: float) -> None:
        self.channel = channel
        self._limit_s = limit_s
        self._breaker = CallBreaker(Breaker(threshold=3, rest_s=rest_s), silence_s, silence_counts=3)

    async def ask(self, method: Callable[..., Awaitable[Any]], request: object) -> Any | None:
        """Returns the response, or None: the service failed, or is left alone.

        Raises DeadlineExceeded when the caller's time was over first, Overloaded when the service has too much to do.
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
