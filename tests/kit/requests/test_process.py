"""Whatever comes in, the memory of a server's process stays small and its log short."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.kit.requests.calls import GENERATE, HEALTH, KEY_HEADER, KEYED, MIB, STATS, opened, refused
from tests.kit.requests.http2 import Connection, message

from weft.common.v1 import error_pb2
from weft_kit.requests.limits import ORDINARY_BYTES


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
