"""Calls to a sized server: methods, a key, requests of so many bytes, and refusals."""

from collections.abc import Awaitable
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.kit.requests.sized_server import KEY

from weft_kit.rpc.errors import WeftError
from weft_kit.rpc.status import from_rpc

MIB = 1024 * 1024
STATS = "/weft.cache.v1.CacheService/GetStats"
GENERATE = "/weft.inference.v1.InferenceService/Generate"
HEALTH = "/grpc.health.v1.Health/Check"
KEYED = (("authorization", KEY),)
KEY_HEADER = (b"authorization", KEY.encode())


def opened(address: str, **options: Any) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", -1)], **options)


async def refused(call: Awaitable[Any]) -> WeftError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return from_rpc(raised.value, "the server")


def padded(size: int) -> bytes:
    """A request of that many bytes: a field that nobody knows, which parsers skip."""
    head = b"\xfa\xff\xff\xff\x0f" if size > 3 * 1024 else b""  # field 536870911, of bytes
    for count in range(1, 6):
        length = size - len(head) - count
        varint = _varint(length)
        if len(varint) == count:
            return head + varint + b"x" * length
    raise ValueError(size)


def _varint(number: int) -> bytes:
    written = b""
    while number >= 128:
        written += bytes([number % 128 | 128])
        number //= 128
    return written + bytes([number])
