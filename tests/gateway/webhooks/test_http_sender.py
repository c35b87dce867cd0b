"""Posting: to the address that was checked, by the name that was meant, and nowhere else."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trustme
from aiohttp import web

from weft_gateway.webhooks.deliveries import DeliveryOutcome
from weft_gateway.webhooks.http_sender import HttpSender
from weft_gateway.webhooks.resolver import Resolver

HEADERS = {"webhook-id": "job-1"}
NO_ADDRESS = "not reachable: the name has no public address"


def resolving(**names: list[str]) -> Callable[[str, int], Any]:
    """Name servers under a tenant's thumb."""

    async def resolve(host: str, _port: int) -> list[str]:
        return names[host.split(".", maxsplit=1)[0]]

    return resolve


async def post(url: str, *addresses: str, **settings: Any) -> DeliveryOutcome:
    resolve = resolving(receiver=list(addresses), other=list(addresses))
    async with HttpSender(resolve, **{"allow_private": True, **settings}) as poster:
        return await poster.post(url, HEADERS, b"{}")


async def test_a_post_goes_to_the_address_under_the_name(receiver: Any) -> None:
    outcome = await post(f"http://receiver.test:{receiver.port}/a?b=c", "127.0.0.1")
    assert outcome == DeliveryOutcome("HTTP 200", 200)
    arrived = receiver.posts.get_nowait()
    assert (arrived.path, arrived.body) == ("/a", b"{}")
    assert arrived.headers["Host"] == f"receiver.test:{receiver.port}"
    assert arrived.headers["Content-Type"] == "application/json"
    assert arrived.headers["webhook-id"] == "job-1"


async def test_a_name_with_one_private_address_among_public_ones_is_refused(receiver: Any) -> None:
    url = f"http://receiver.test:{receiver.port}/"
    for addresses in (("127.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("::ffff:127.0.0.1", "93.184.216.34")):
        outcome = await post(url, *addresses, allow_private=False)
        assert (outcome.text, outcome.http_status) == (NO_ADDRESS, 0)
        assert outcome.detail.endswith("127.0.0.1 is not a public address")
    assert receiver.posts.empty()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]"]
)
async def test_no_spelling_of_loopback_gets_through(receiver: Any, host: str) -> None:
    async with Resolver(1) as resolver, HttpSender(resolver.resolve, limit_s=1.0) as poster:
        outcome = await poster.post(f"http://{host}:{receiver.port}/", HEADERS, b"{}")
    assert not outcome.delivered
    assert receiver.posts.empty()


async def test_an_address_that_refuses_gives_way_to_the_next(receiver: Any) -> None:
    assert (await post(f"http://receiver.test:{receiver.port}/", "127.0.0.2", "127.0.0.1")).delivered


async def test_a_redirect_is_not_followed_and_fails(receiver: Any) -> None:
    receiver.answers, receiver.answer_headers = [307], {"location": "/elsewhere"}
    outcome = await post(f"http://receiver.test:{receiver.port}/", "127.0.0.1")
    assert outcome == DeliveryOutcome("HTTP 307: redirects are not followed", 307)
    assert receiver.posts.qsize() == 1


async def test_what_a_target_asks_for_is_told(receiver: Any) -> None:
    receiver.answers, receiver.answer_headers = [503, 410], {"Retry-After": "7"}
    url = f"http://receiver.test:{receiver.port}/"
    assert await post(url, "127.0.0.1") == DeliveryOutcome("HTTP 503", 503, retry_after_s=7)
    assert (await post(url, "127.0.0.1")).final


async def test_an_endless_answer_is_not_read() -> None:
    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except OSError:
            pass  # the caller has gone
        finally:
            writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await post(f"http://receiver.test:{port}/", "127.0.0.1", limit_s=5.0)).delivered


async def test_silence_and_headers_that_drip_cost_a_limited_try() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            pass  # the caller has gone
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await post(f"http://receiver.test:{port}/", "127.0.0.1", limit_s=0.2) == DeliveryOutcome(
            "no answer within 0.2 s"
        )


async def test_a_target_that_is_not_there_or_speaks_no_http_fails() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"220 mail ready\r\n")
        await writer.drain()
        writer.close()

    assert await post("http://receiver.test:9/", "127.0.0.1") == DeliveryOutcome("not reachable: ConnectError")
    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await post(f"http://receiver.test:{port}/", "127.0.0.1")
        assert outcome == DeliveryOutcome("no proper answer: RemoteProtocolError")


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".example", "a..b"])
async def test_a_name_that_does_not_resolve_fails(host: str) -> None:
    async with Resolver(1) as resolver, HttpSender(resolver.resolve) as poster:
        outcome = await poster.post(f"http://{host}/", HEADERS, b"{}")
    assert outcome == DeliveryOutcome(NO_ADDRESS, detail=outcome.detail)


async def test_a_private_name_and_one_that_does_not_exist_are_told_alike(receiver: Any) -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        if host == "receiver.test":
            return ["127.0.0.1"]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with HttpSender(resolve) as poster:
        hosts = ("receiver.test", "nobody.test")
        inside, nowhere = [await poster.post(f"http://{host}:{receiver.port}/", HEADERS, b"{}") for host in hosts]
    assert inside.detail != nowhere.detail
    assert replace(inside, detail="") == replace(nowhere, detail="")
    assert not inside.final
    assert receiver.posts.empty()


@asynccontextmanager
async def tls_receiver(authority: trustme.CA, name: str) -> AsyncIterator[int]:
    async def take(_request: web.Request) -> web.Response:
        return web.Response()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_https_is_proven_by_the_name_not_by_the_address() -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    resolve = resolving(receiver=["127.0.0.1"], other=["127.0.0.1"])
    async with (
        tls_receiver(authority, "receiver.test") as port,
        HttpSender(resolve, allow_private=True, tls=trusting) as poster,
    ):
        assert (await poster.post(f"https://receiver.test:{port}/", HEADERS, b"{}")).delivered
        # The same address again, and no connection left over from the name that was proven.
        outcome = await poster.post(f"https://other.test:{port}/", HEADERS, b"{}")
        assert outcome == DeliveryOutcome("not reachable: ConnectError")


async def test_https_with_a_certificate_nobody_trusts_fails() -> None:
    async with tls_receiver(trustme.CA(), "receiver.test") as port:
        assert not (await post(f"https://receiver.test:{port}/", "127.0.0.1")).delivered
