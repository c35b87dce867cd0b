"""Calls to another service: they pass on the remaining time, and leaving a stream ends it."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypedDict, TypeVar

import grpc
import grpc.aio

from weft_kit.rpc.context import inject, remaining_to_pass_on
from weft_kit.rpc.status import from_rpc

MAX_MESSAGE_BYTES = 64 * 1024 * 1024

OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A target may name several replicas; with one, this changes nothing.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

T = TypeVar("T")
Event_co = TypeVar("Event_co", covariant=True)


class UnaryCall(TypedDict):
    """Keyword arguments of a stub's method; `timeout` is in seconds."""

    timeout: float
    metadata: tuple[tuple[str, str], ...]


class StreamCall(Protocol[Event_co]):
    """What a server-streaming stub returns."""

    def __aiter__(self) -> AsyncIterator[Event_co]: ...
    def cancel(self) -> bool: ...


class Channel:
    """The connection to a dependency. `dependency` is its name in errors.

    `target` is host:port, or names several replicas that share the calls: `ipv4:10.0.0.1:7604,10.0.0.2:7604`, `dns:///…`.
    """

    def __init__(self, target: str, dependency: str) -> None:
        self.target = target
        self.dependency = dependency
        self.raw = grpc.aio.insecure_channel(target, options=OPTIONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.raw.close()

    def call(self, limit_s: float) -> UnaryCall:
        """Returns the timeout, which is `limit_s` or the part of the caller's time that may be used, and the metadata:
        the caller's tenant, key, call id and trace.
        """
        return {"timeout": remaining_to_pass_on(limit_s), "metadata": inject()}

    async def unary(self, call: Awaitable[T]) -> T:
        """Awaits a unary call. Raises WeftError if it fails."""
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self.dependency) from None

    @asynccontextmanager
    async def streaming(self, call: StreamCall[T]) -> AsyncIterator[AsyncIterator[T]]:
        """Yields a stream to iterate. Leaving the block cancels the call. Raises WeftError if it fails."""
        try:
            yield aiter(call)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self.dependency) from None
        finally:
            call.cancel()
