"""Bytes that are no request are an invalid argument; an answer that cannot be written is our bug."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.kit.requests.calls import GENERATE, HEALTH, KEY_HEADER, KEYED, STATS, refused
from tests.kit.requests.http2 import Connection
from tests.kit.requests.sized_server import Sized

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft_kit import metrics
from weft_kit.rpc.server import Server


@pytest.mark.parametrize(
    "content", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"], ids=["noise", "cut", "utf-8"]
)
@pytest.mark.parametrize("method", ["/weft.cache.v1.CacheService/Lookup", GENERATE, HEALTH])
async def test_unreadable_bytes_are_an_invalid_argument(channel: grpc.aio.Channel, method: str, content: bytes) -> None:
    if method == GENERATE:
        call: Any = channel.unary_stream(method)(content, metadata=KEYED).read()
    else:
        call = channel.unary_unary(method)(content, metadata=KEYED)
    before = metrics.CALLS.labels(method, "INVALID_ARGUMENT")._value.get()
    error = await refused(call)
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == error_pb2.ERROR_REASON_UNREADABLE_REQUEST
    assert "Error" not in error.message
    assert "google" not in error.message
    counted = metrics.CALLS.labels(method, "INVALID_ARGUMENT")._value.get() - before
    assert counted == (0 if method == HEALTH else 1)


async def test_a_call_that_ends_without_a_request_is_an_invalid_argument(server: Server) -> None:
    connection = await Connection.opened(server.address)
    connection.call(STATS.encode(), b"", more=[KEY_HEADER])
    async with asyncio.timeout(20):
        assert b"the call has no request" in await connection.answer()
    await connection.close()


async def test_an_answer_that_cannot_be_written_is_our_bug(channel: grpc.aio.Channel, sized: Sized) -> None:
    sized.answer = "no message at all"
    stub = cache_pb2_grpc.CacheServiceStub(channel)
    error = await refused(stub.Invalidate(cache_pb2.InvalidateRequest(), metadata=KEYED))
    assert error.reason == error_pb2.ERROR_REASON_INTERNAL
    assert error.metadata["call_id"]
