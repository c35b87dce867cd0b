"""The services behind the gateway, served at its own address: one endpoint and one key for clients, bytes untouched.

The call is already authenticated; the channel adds its tenant. Messages are neither decoded nor encoded, so fields that
this replica does not know yet pass through.
"""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from weft_kit.rpc.channel import Channel
from weft_kit.rpc.interceptor import send_header
from weft_kit.rpc.server import Service


def forwarded(
    service: ServiceDescriptor, channel: Channel, limit_s: float, *, only: Collection[str] | None = None
) -> Service:
    """Returns a service that forwards all or some of its methods, each call for at most `limit_s`."""
    methods = [method for method in service.methods if only is None or method.name in only]
    handlers = {method.name: _handler(method, channel, limit_s) for method in methods}

    def add(_servicer: object, server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))

    return Service(service.full_name, add, None)


def _handler(method: MethodDescriptor, channel: Channel, limit_s: float) -> "grpc.RpcMethodHandler[bytes, bytes]":
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming:
        message = f"{path} streams requests, which the gate does not see; it cannot be forwarded"
        raise ValueError(message)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_streaming(channel, path, limit_s))
    return grpc.unary_unary_rpc_method_handler(_unary(channel, path, limit_s))


def _unary(channel: Channel, path: str, limit_s: float) -> Callable[[bytes, Any], Any]:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.raw.unary_unary(path)

    async def forward(request: bytes, _: Any) -> bytes:
        answer: bytes = await channel.unary(call(request, **channel.call(limit_s)))
        return answer

    return forward


def _streaming(channel: Channel, path: str, limit_s: float) -> Callable[[bytes, Any], AsyncIterator[bytes]]:
    call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.raw.unary_stream(path)

    async def forward(request: bytes, caller: Any) -> AsyncIterator[bytes]:
        asked = call(request, **channel.call(limit_s))
        async with channel.streaming(asked) as messages:
            await asked.initial_metadata()
            if not asked.done():  # a refusal has no header of its own
                await send_header(caller)
            async for message in messages:
                yield message

    return forward
