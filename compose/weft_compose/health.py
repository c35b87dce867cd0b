"""Asks services for their health, by gRPC, and waits for child processes to end."""

import asyncio
import os
from typing import Literal

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from weft_compose.child import Child

_QUICK_RECONNECT = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
)


async def until_serving(address: str) -> None:
    """Returns once the service at the address reports that it serves, however long that takes."""
    async with grpc.aio.insecure_channel(address, options=_QUICK_RECONNECT) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        try:
            async for reply in watch:
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
        finally:
            # Closing the channel does not end a stream, and the service would wait for it when it drains.
            watch.cancel()


async def is_serving(address: str) -> bool:
    """Returns whether the service at the address serves; asks once."""
    return await ask(address) == "healthy"


Health = Literal["healthy", "not ready", "no answer"]


async def ask(address: str, within_s: float = 2.0) -> Health:
    """Returns a service's health; asks once. One that answers but is not ready lacks something that it needs."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=within_s)
        except grpc.aio.AioRpcError:
            return "no answer"
    return "healthy" if reply.status == health_pb2.HealthCheckResponse.SERVING else "not ready"


async def ended(child: Child) -> None:
    """Returns once the child has ended; the kernel reports it, without polling."""
    if child.exit_code is not None:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    handle = os.pidfd_open(child.pid)
    loop.add_reader(handle, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
