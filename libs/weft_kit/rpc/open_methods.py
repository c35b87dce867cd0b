"""Health and reflection: they need no key, so requests must be short and few calls may be open at once."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
import grpc.aio

from weft_kit.requests.arrivals import Arrivals
from weft_kit.requests.decoding import decoded, no_request
from weft_kit.requests.limits import OPEN_BYTES, RequestLimits
from weft_kit.rpc.call import Rpc, abort, write
from weft_kit.rpc.errors import DeadlineExceeded, Overloaded, WeftError
from weft_kit.rpc.peers import address_of

PREFIXES: Final = ("/grpc.health.v1.", "/grpc.reflection.")

_MOST_CALLS: Final = 1_024
_MOST_CALLS_OF_ADDRESS: Final = 64
# In one reflection stream. A client that wants more opens another stream.
_MOST_QUESTIONS: Final = 256
_WAIT_S: Final = 1.0


class OpenMethods:
    """Serves handlers like the interceptor, but without authentication and, since probes would flood the log, without
    log lines.
    """

    def __init__(self, arrivals: Arrivals, limits: RequestLimits, internal: Callable[[Exception], WeftError]) -> None:
        self._arrivals = arrivals
        self._separates_peers = limits.separates_peers
        self._internal = internal
        self._calls: Counter[str] = Counter()

    def serve(self, handler: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        """Returns a handler that reads its requests itself, within limits, and passes them to `handler`."""

        async def unary(_messages: object, rpc: Rpc) -> Any:
            async def work() -> bytes:
                answer = await handler.unary_unary(await self._only_request(rpc, handler), rpc)
                return bytes(handler.response_serializer(answer))

            return await self._within_limits(work, rpc)

        async def streaming(_messages: object, rpc: Rpc) -> None:
            async def work() -> None:
                if handler.request_streaming:
                    answers = handler.stream_stream(self._requests(rpc, handler), rpc)
                else:
                    answers = handler.unary_stream(await self._only_request(rpc, handler), rpc)
                async for answer in answers:
                    await write(rpc, handler.response_serializer(answer))

            await self._within_limits(work, rpc)

        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(streaming)
        return grpc.stream_unary_rpc_method_handler(unary)

    async def _only_request(self, rpc: Rpc, handler: Any) -> Any:
        request = await self._next(rpc, handler)
        if request is None:
            raise no_request()
        return request

    async def _requests(self, rpc: Rpc, handler: Any) -> AsyncIterator[Any]:
        """Yields the requests of a stream, until the caller ends it or sends none for a while."""
        for count in range(_MOST_QUESTIONS):
            try:
                request = await self._next(rpc, handler)
            except DeadlineExceeded:
                if count:
                    return
                raise
            if request is None:
                return
            yield request

    async def _next(self, rpc: Rpc, handler: Any) -> Any:
        message = await self._arrivals.receive(rpc, rpc.peer(), OPEN_BYTES)
        return None if message is None else decoded(message, handler.request_deserializer)

    async def _within_limits(self, work: Callable[[], Awaitable[Any]], rpc: Rpc) -> Any:
        try:
            with self._counted(address_of(rpc.peer()) if self._separates_peers else ""):
                return await work()
        except grpc.aio.AbortError:
            raise
        except WeftError as error:
            await abort(rpc, error)
        except Exception as error:  # noqa: BLE001  # as in the interceptor: its text must not leave
            await abort(rpc, self._internal(error))

    @contextmanager
    def _counted(self, address: str) -> Iterator[None]:
        if self._calls.total() >= _MOST_CALLS or (address and self._calls[address] >= _MOST_CALLS_OF_ADDRESS):
            message = "too many calls that need no key are open; close some, or wait"
            raise Overloaded(message, _WAIT_S)
        self._calls[address] += 1
        try:
            yield
        finally:
            self._calls[address] -= 1
            if not self._calls[address]:
                del self._calls[address]
