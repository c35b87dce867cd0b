"""Calls that wait for their request, and the bytes that requests hold, are bounded for everyone."""

import asyncio
import gzip

import grpc
import grpc.aio
import pytest
from tests.kit.requests.calls import HEALTH, KEY_HEADER, KEYED, MIB, STATS, opened, padded, refused
from tests.kit.requests.http2 import Connection, message
from tests.kit.requests.sized_server import Sized, serving

from weft_kit.requests.held_requests import HeldRequests
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.errors import Overloaded
from weft_kit.rpc.server import Server

UNAUTHENTICATED, UNAVAILABLE, DEADLINE = b"grpc-status\x0216", b"grpc-status\x0214", b"grpc-status\x014"


async def test_a_call_is_refused_by_its_metadata_before_its_request_is_there(server: Server) -> None:
    connection = await Connection.opened(server.address)
    connection.call(STATS.encode())
    async with asyncio.timeout(20):
        assert UNAUTHENTICATED in await connection.answer()
    await connection.close()


async def test_a_request_that_never_comes_is_given_up(sized: Sized) -> None:
    async with serving(sized, RequestLimits(arrives_within_s=0.1)) as server:
        connection = await Connection.opened(server.address)
        connection.send(connection.call(STATS.encode(), more=[KEY_HEADER]), message(b"ab", length=100))
        async with asyncio.timeout(20):
            answer = await connection.answer()
        await connection.close()
    assert DEADLINE in answer
    assert b"did not arrive" in answer


async def test_a_connection_may_have_only_so_many_half_open_calls(sized: Sized) -> None:
    async with serving(sized, RequestLimits(separates_peers=True)) as server:
        connection = await Connection.opened(server.address)
        for _ in range(65):
            connection.call(STATS.encode(), more=[KEY_HEADER])
        async with asyncio.timeout(20):
            answer = await connection.answer()
        assert UNAVAILABLE in answer
        assert b"too many calls wait" in answer
        await connection.close()


async def test_calls_without_a_key_are_half_open_only_so_often(sized: Sized) -> None:
    async with serving(sized, RequestLimits(separates_peers=True)) as server:
        connection = await Connection.opened(server.address)
        for _ in range(65):
            connection.call(HEALTH.encode())
        async with asyncio.timeout(20):
            assert b"too many calls that need no key" in await connection.answer()
        await connection.close()


def test_nobody_holds_more_than_a_share() -> None:
    held = HeldRequests(RequestLimits(held_bytes=400, separates_peers=True))
    first = held.hold(90, "ipv4:10.0.0.1:1", "a")
    held.hold(90, "ipv4:10.0.0.1:2", "a")
    for size, peer, tenant, owner in (
        (15, "ipv4:10.0.0.1:1", "b", "connection"),
        (30, "ipv4:10.0.0.1:3", "b", "address"),
        (30, "ipv4:10.0.0.2:1", "a", "tenant"),
        (300, "ipv4:10.0.0.2:1", "b", "server"),
    ):
        with pytest.raises(Overloaded, match=f"this {owner} "):
            held.hold(size, peer, tenant)
    held.release(90, first)
    held.hold(90, "ipv4:10.0.0.1:1", "a")


async def test_what_is_held_is_given_back_when_its_call_is_over(sized: Sized) -> None:
    async with serving(sized, RequestLimits(held_bytes=2 * MIB)) as server, opened(server.address) as channel:
        store = channel.unary_unary("/weft.cache.v1.CacheService/Store")
        first = asyncio.ensure_future(store(padded(MIB - 1000), metadata=KEYED))
        await sized.holds.wait()
        error = await refused(store(padded(MIB), metadata=KEYED))
        assert (error.status, error.metadata) == (grpc.StatusCode.UNAVAILABLE, {"limit_bytes": str(MIB)})
        assert error.retry_after_s
        sized.go.set()
        await first
        await store(padded(MIB), metadata=KEYED)


async def test_what_was_compressed_is_held_at_its_full_size(sized: Sized) -> None:
    async with serving(sized, RequestLimits(held_bytes=2 * MIB)) as server, opened(server.address) as channel:
        store = channel.unary_unary("/weft.cache.v1.CacheService/Store")
        first = asyncio.ensure_future(store(gzip.compress(padded(MIB)), metadata=KEYED))
        await sized.holds.wait()
        assert (await refused(store(padded(1000), metadata=KEYED))).status is grpc.StatusCode.UNAVAILABLE
        sized.go.set()
        await first
