"""The interceptor that every call passes through: it authenticates the caller, returns a status and logs one line.

At first only a call's metadata is read. Its request is read once the caller is authenticated, within the limits of the
method (`weft_kit.requests`: `limits`, `arrivals`, `held_requests`).

gRPC would send the text of an exception that escapes a handler to the client, so this is a security control: only the
messages of `WeftError` leave the process; everything else becomes a fixed INTERNAL, and a traceback in the log.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

import grpc
import grpc.aio
import structlog
from google.protobuf.message import Message

from weft_kit import metrics
from weft_kit.logging import CallLine
from weft_kit.requests.arrivals import Arrivals
from weft_kit.requests.decoding import decoded, no_request
from weft_kit.requests.held_requests import HeldRequests
from weft_kit.requests.limits import RequestLimits
from weft_kit.requests.message_count import check_count, kind_of
from weft_kit.rpc import context, open_methods
from weft_kit.rpc.accounts import Accounts, CallAccount, no_accounts
from weft_kit.rpc.call import Rpc, abort, write
from weft_kit.rpc.channel import MAX_MESSAGE_BYTES, OPTIONS
from weft_kit.rpc.context import CallContext
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    Draining,
    Internal,
    WeftError,
)
from weft_kit.rpc.open_methods import OpenMethods
from weft_kit.rpc.running_calls import RunningCalls, ending
from weft_kit.rpc.status import from_rpc
from weft_kit.validation.fields import check_request

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

Gate = Callable[[str, Mapping[str, str], str], Awaitable[CallContext]]
"""Authenticates a call: (method, metadata, peer address) → context. Raises WeftError to refuse it."""


async def trusting(_method: str, metadata: Mapping[str, str], _peer: str) -> CallContext:
    """Trusts the metadata: for services that only the mesh can reach."""
    return context.extract(metadata)


def is_sent_away() -> bool:
    """Returns whether this server, which is shutting down, is ending the current call, rather than the caller."""
    return isinstance(ending(), Draining)


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of one server. `refuse_new_calls` refuses new calls while the running ones finish."""

    def __init__(
        self, gate: Gate = trusting, limits: RequestLimits | None = None, accounts: Accounts = no_accounts
    ) -> None:
        self.limits = limits or RequestLimits()
        self.arrivals = Arrivals(self.limits)
        self.held = HeldRequests(self.limits)
        self._open = OpenMethods(self.arrivals, self.limits, self.internal)
        self._gate = gate
        self.accounts = accounts
        self._draining = False
        self.running = RunningCalls()
        self._log = structlog.get_logger()

    def refuse_new_calls(self) -> None:
        self._draining = True

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = cast("Any", await continuation(details))  # typed as the synchronous server's
        if handler is None:
            return None
        if details.method.startswith(open_methods.PREFIXES):
            return self._open.serve(handler)
        if handler.request_streaming:
            return None  # no service has such methods: a call has one request
        # gRPC is told that requests are streamed: otherwise it would read them before it asks the handler.
        call = _Call(self, details.method, handler)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(call.streaming)
        return grpc.stream_unary_rpc_method_handler(call.unary)

    async def admit(self, method: str, rpc: Rpc) -> CallContext:
        if self._draining:
            raise Draining
        metadata = {key: value for key, value in rpc.invocation_metadata() or () if isinstance(value, str)}
        caller = await self._gate(method, metadata, rpc.peer())
        self.running.came_with(caller.key_id)
        left = rpc.time_remaining()
        if left is None:
            return caller
        return replace(caller, deadline=asyncio.get_running_loop().time() + left)

    def line(self, method: str) -> CallLine:
        return CallLine(self._log, method=method.rpartition("/")[2])

    def internal(self, error: Exception, method: str = "") -> WeftError:
        call_id = context.current().call_id
        self._log.error("unexpected", method=method, call_id=call_id, exc_info=error)
        return Internal(call_id)


class _Call:
    """One call inside the interceptor."""

    __slots__ = ("_handler", "_interceptor", "_kind", "_limit_bytes", "_method")

    def __init__(self, interceptor: Interceptor, method: str, handler: Any) -> None:
        self._interceptor = interceptor
        self._method = method
        self._handler = handler
        self._limit_bytes = interceptor.limits.of(method)
        self._kind = kind_of(handler.request_deserializer)

    async def unary(self, _messages: object, rpc: Rpc) -> Any:
        async def once(request: Any) -> Any:
            return self._encoded(await self._handler.unary_unary(request, rpc))

        return await self._answered(once, rpc)

    async def streaming(self, _messages: object, rpc: Rpc) -> None:
        async def all_messages(request: Any) -> None:
            messages: AsyncIterator[Any] = self._handler.unary_stream(request, rpc)
            try:
                async for message in messages:
                    await write(rpc, self._encoded(message))
            finally:
                # An abandoned generator cleans up only when it is collected: too late for a running engine.
                await messages.aclose()  # type: ignore[attr-defined]

        await self._answered(all_messages, rpc)

    def _encoded(self, message: Any) -> Any:
        encode = self._handler.response_serializer
        return encode(message) if encode else message

    async def _answered(self, work: Callable[[Any], Awaitable[Any]], rpc: Rpc) -> Any:
        line = self._interceptor.line(self._method)
        self._interceptor.running.begin()
        metrics.CALLS_IN_FLIGHT.inc()
        try:
            context.enter(await self._interceptor.admit(self._method, rpc))
            account = self._interceptor.accounts(self._method)
            answer = await (self._recorded(account, work, rpc) if account else self._received(work, rpc))
        except asyncio.CancelledError:
            if error := ending():
                self._finish(line, error.status.name, reason=error.reason_name)
                await abort(rpc, error)
            self._finish(line, "CANCELLED")
            raise
        except Exception as raised:  # noqa: BLE001  # no exception may leave the process as it is
            error = self._translated(raised)
            self._finish(line, error.status.name, reason=error.reason_name, error=error.message)
            await abort(rpc, error)
        else:
            self._finish(line, "OK")
            return answer
        finally:
            self._interceptor.running.end()

    async def _recorded(self, account: CallAccount, work: Callable[[Any], Awaitable[Any]], rpc: Rpc) -> Any:
        """Runs the call with its record."""

        async def begun(request: Any) -> Any:
            await account.begin(request)
            return await work(request)

        try:
            answer = await self._received(begun, rpc)
        except asyncio.CancelledError:
            await account.end("CANCELLED", "")
            raise
        except Exception as raised:
            error = self._translated(raised)
            await account.end(error.status.name, error.reason_name)
            raise error from raised
        await account.end("OK", "")
        return answer

    async def _received(self, work: Callable[[Any], Awaitable[Any]], rpc: Rpc) -> Any:
        """Runs the call once its request has arrived; the request counts as held until the call is done."""
        peer = rpc.peer()
        message = await self._interceptor.arrivals.receive(rpc, peer, self._limit_bytes)
        if message is None:
            raise no_request()
        size_bytes = len(message)
        owners = self._interceptor.held.hold(size_bytes, peer, context.current().tenant)
        try:
            if self._kind:
                await check_count(message, self._kind)
            request = decoded(message, self._handler.request_deserializer)
            del message
            _check(request)
            return await work(request)
        finally:
            self._interceptor.held.release(size_bytes, owners)

    def _translated(self, raised: Exception) -> WeftError:
        if isinstance(raised, WeftError):
            return raised
        if isinstance(raised, grpc.aio.AioRpcError):
            return from_rpc(raised, "a service this call needs")
        if isinstance(raised, TimeoutError):
            return DeadlineExceeded("a part of the mesh did not answer in the time that was left; retry")
        return self._interceptor.internal(raised, self._method)

    def _finish(self, line: CallLine, code: str, **fields: object) -> None:
        caller = context.current()
        metrics.CALLS_IN_FLIGHT.dec()
        who = {"tenant": caller.tenant, "key_id": caller.key_id, "call_id": caller.call_id}
        seconds = line.end(code, **who, **fields)
        metrics.calls(self._method, code).inc()
        metrics.call_seconds(self._method).observe(seconds)


async def send_header(rpc: Rpc) -> None:
    """Sends a stream's header at once: what was asked for exists, though its first message may take hours.

    By the header, clients tell a silent job from a silent server. A call can be refused only before it.
    """
    try:
        await rpc.send_initial_metadata(())
    except grpc.aio.InternalError as error:
        raise asyncio.CancelledError from error


def _check(request: Any) -> None:
    """Raises InvalidFields for values that no handler could use. Forwarded bytes are checked by the service that gets
    them.
    """
    if isinstance(request, Message):
        check_request(request)


# The numbers of grpc_compression_algorithm.
_IDENTITY, _GZIP = 0, 2
_METADATA_BYTES = 32 * 1024

SERVER_OPTIONS: tuple[tuple[str, Any], ...] = (
    *(pair for pair in OPTIONS if not pair[0].endswith(("reconnect_backoff_ms", "receive_message_length"))),
    # Otherwise a second server on a port in use starts silently and gets half of the calls.
    ("grpc.so_reuseport", 0),
    # The option's other spelling, min_recv_…, is silently ignored.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # 64 KiB arrive of a call that is not read yet; windows that grow by themselves would let in megabytes.
    ("grpc.http2.bdp_probe", 0),
    # The interceptor's own limits are more exact, and its errors say what to do. gRPC checks only complete messages.
    ("grpc.max_receive_message_length", 2 * MAX_MESSAGE_BYTES),
    # gRPC decompresses without a limit, so the interceptor does it, for gzip only.
    ("grpc.per_message_decompression", 0),
    ("grpc.compression_enabled_algorithms_bitset", 1 << _IDENTITY | 1 << _GZIP),
    # Larger than the default, because tracing adds headers; a call with more is refused.
    ("grpc.max_metadata_size", _METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", _METADATA_BYTES),
)
