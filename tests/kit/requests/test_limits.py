"""What of a call reaches a server before its caller is known, and how much of a request after that."""

import asyncio
import gzip
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.kit.requests.http2 import Connection, message
from tests.kit.requests.sized_server import KEY, Sized, serving

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft_kit import metrics
from weft_kit.requests.held_requests import HeldRequests
from weft_kit.requests.limits import OPEN_BYTES, ORDINARY_BYTES, RequestLimits
from weft_kit.rpc.channel import MAX_MESSAGE_BYTES
from weft_kit.rpc.errors import Overloaded, WeftError
from weft_kit.rpc.server import Server
from weft_kit.rpc.status import from_rpc

MIB = 1024 * 1024
STATS = "/weft.cache.v1.CacheService/GetStats"
GENERATE = "/weft.inference.v1.InferenceService/Generate"
HEALTH = "/grpc.health.v1.Health/Check"
KEYED = (("authorization", KEY),)
KEY_HEADER = (b"authorization", KEY.encode())
UNAUTHENTICATED, UNAVAILABLE, DEADLINE = b"grpc-status\x0216", b"grpc-status\x0214", b"grpc-status\x014"


@pytest.fixture
async def sized() -> Sized:
    return Sized()


@pytest.fixture
async def server(sized: Sized) -> AsyncIterator[Server]:
    async with serving(sized) as server:
        yield server


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with opened(server.address) as channel:
        yield channel


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


async def test_a_call_is_refused_by_its_metadata_before_its_request_is_there(server: Server) -> None:
    connection = await Connection.opened(server.address)
    connection.call(STATS.encode())
    async with asyncio.timeout(20):
        assert UNAUTHENTICATED in await connection.answer()
    await connection.close()


@pytest.mark.parametrize(
    ("method", "limit"),
    [(STATS, ORDINARY_BYTES), ("/weft.cache.v1.CacheService/Invalidate", 4 * MIB), (HEALTH, OPEN_BYTES)],
)
async def test_a_request_may_be_as_large_as_its_method_takes(
    channel: grpc.aio.Channel, method: str, limit: int
) -> None:
    ask = channel.unary_unary(method)
    await ask(padded(limit), metadata=KEYED)
    error = await refused(ask(padded(limit + 1), metadata=KEYED))
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    assert error.metadata == {"limit_bytes": str(limit), "size_bytes": str(limit + 1)}
    assert str(limit) in error.message


def test_only_methods_with_contents_take_much() -> None:
    limits = RequestLimits({"/weft.gateway.v1.GatewayService/SubmitJob": 5 * MIB})
    assert limits.of("/weft.gateway.v1.GatewayService/SubmitJob") == 5 * MIB
    assert limits.of("/weft.retrieval.v1.RetrievalService/StageDocuments") == MAX_MESSAGE_BYTES
    assert limits.of("/weft.gateway.v1.GatewayService/ListJobs") == ORDINARY_BYTES
    assert limits.of("/weft.nobody.v1.NewService/Whatever") == ORDINARY_BYTES


# ---------------------------------------------------------------------------------------------- bytes that say nothing


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


async def test_compressed_requests_are_read(server: Server) -> None:
    async with opened(server.address, compression=grpc.Compression.Gzip) as channel:
        await channel.unary_unary(STATS)(padded(100_000), metadata=KEYED)
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="liveness"))
        assert health.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(padded(MIB)), error_pb2.ERROR_REASON_REQUEST_TOO_LARGE),
        (gzip.compress(b"\x0a\x01a")[:-9], error_pb2.ERROR_REASON_UNREADABLE_REQUEST),
        (b"\x1f\x8bnonsense", error_pb2.ERROR_REASON_UNREADABLE_REQUEST),
    ],
    ids=["bomb", "cut", "nonsense"],
)
async def test_what_cannot_be_inflated_within_the_limit_is_refused(
    channel: grpc.aio.Channel, content: bytes, reason: int
) -> None:
    assert (await refused(channel.unary_unary(STATS)(content, metadata=KEYED))).reason == reason


# ------------------------------------------------------------------------------------------------- half-open calls


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


# ---------------------------------------------------------------------------------------------------- bytes at once


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


# ------------------------------------------------------------------------- a process of its own: its memory and its log


class Process:
    """A server's address, its memory and its log."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, log: Path) -> None:
        self._process, self.address, self._log = process, address, log

    def log(self) -> str:
        return self._log.read_text()

    def most_memory(self) -> int:
        """Returns the most bytes that the process ever had."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    log = tmp_path / "log"
    with log.open("w") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.kit.requests.sized_server", stdout=PIPE, stderr=written,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        try:
            yield Process(process, address, log)
        finally:
            process.terminate()
            await process.wait()


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a socket received")


@needs_linux
@pytest.mark.parametrize("method", ["/weft.cache.v1.CacheService/Store", HEALTH])
async def test_messages_without_a_key_do_not_fill_the_memory(process: Process, method: str) -> None:
    """The bound is half of what is sent, for a machine that is busy: else it is a tenth, and nothing without a key."""
    content = bytes(60 * MIB)
    async with opened(process.address) as channel:
        ask = channel.unary_unary(method)
        await channel.unary_unary(STATS)(b"", metadata=KEYED)
        before = process.most_memory()
        errors = await asyncio.gather(*(refused(ask(content)) for _ in range(12)))
    assert {error.status for error in errors} <= {
        grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE,
    }  # fmt: skip
    assert process.most_memory() - before < 12 * 60 * MIB // 2


@needs_linux
async def test_a_message_is_cut_off_while_it_comes_once_it_is_larger_than_its_method_takes(process: Process) -> None:
    async with opened(process.address) as channel:
        ask = channel.unary_unary(STATS)
        await ask(b"", metadata=KEYED)
        before = process.most_memory()
        error = await refused(ask(bytes(400 * MIB), metadata=KEYED))
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    assert error.metadata["limit_bytes"] == str(ORDINARY_BYTES)
    assert process.most_memory() - before < 400 * MIB // 2


async def test_nothing_that_comes_in_writes_a_traceback(process: Process) -> None:
    odd: list[dict[str, Any]] = [
        {"path": b"/weft.cache.v1.CacheService/\xff\xfe"},
        {"path": b"/weft.cache.v1.CacheService/NoSuchMethod"},
        {"path": STATS.encode(), "content_type": b"text/html"},
        {"path": STATS.encode(), "grpc_timeout": b"0n"},
        {"path": STATS.encode(), "grpc_timeout": b"soon"},
        {"path": STATS.encode(), "more": [KEY_HEADER], "grpc_encoding": b"deflate", "body": message(b"abc", flag=1)},
        {"path": STATS.encode(), "more": [(b"authorization", b"Bearer \xff\xfe")]},
        {"path": STATS.encode(), "more": [(b"x-bin", b"no base64!")]},
        {"path": STATS.encode(), "more": [(f"x-{i}".encode(), b"y" * 100) for i in range(1000)]},
        {"path": STATS.encode(), "more": [KEY_HEADER], "body": message(b"abc", length=7)},
        {"path": STATS.encode(), "more": [KEY_HEADER], "body": message(b"\xff\xff")},
        {"path": GENERATE.encode(), "more": [KEY_HEADER], "body": message(b"\xff\xff")},
    ]
    for call in odd:
        connection = await Connection.opened(process.address)
        connection.call(**{"body": message(b""), **call})
        async with asyncio.timeout(20):
            assert await connection.answer()
        await connection.close()
    async with opened(process.address) as channel:
        await channel.unary_unary(STATS)(b"", metadata=KEYED)
    assert "Traceback" not in process.log()
    assert max(map(len, process.log().splitlines())) < 8192


async def test_a_header_of_20_kb_that_others_added_does_no_harm(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(STATS)(b"", metadata=(*KEYED, ("baggage", "x" * 20_000)))


async def test_reflection_answers_short_questions_only(channel: grpc.aio.Channel) -> None:
    ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [answer async for answer in ask(iter([question, question]))]
    assert len(answers) == 2
    long = reflection_pb2.ServerReflectionRequest(file_by_filename="x" * OPEN_BYTES)
    assert (await refused(ask(iter([long])).read())).reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE


async def test_what_was_compressed_is_held_at_its_full_size(sized: Sized) -> None:
    async with serving(sized, RequestLimits(held_bytes=2 * MIB)) as server, opened(server.address) as channel:
        store = channel.unary_unary("/weft.cache.v1.CacheService/Store")
        first = asyncio.ensure_future(store(gzip.compress(padded(MIB)), metadata=KEYED))
        await sized.holds.wait()
        assert (await refused(store(padded(1000), metadata=KEYED))).status is grpc.StatusCode.UNAVAILABLE
        sized.go.set()
        await first
