"""The command that containers ask their service with."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest

from weft_kit.probe import Unclear, listening_address
from weft_kit.rpc.server import Server


async def probe(*arguments: str, **environ: str) -> tuple[int, str]:
    """Runs the command; returns its exit code and what it said."""
    argv = [sys.executable, "-m", "weft_kit.probe", *arguments]
    told = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, env={**told, **environ}, stdout=pipe, stderr=pipe)
    said, complained = await process.communicate()
    return process.returncode, (said + complained).decode()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server("127.0.0.1:0", []) as running:
        yield running


async def test_it_exits_with_0_while_the_service_serves(server: Server):
    assert await probe(server.address) == (0, f"{server.address} SERVING\n")
    assert await probe(server.address, "--service", "liveness") == (0, f"{server.address} SERVING\n")


async def test_it_exits_with_1_while_the_service_does_not_serve(server: Server):
    server._health.drain()
    assert await probe(server.address) == (1, f"{server.address} NOT_SERVING\n")


async def test_it_exits_with_1_when_the_service_is_not_known_there(server: Server):
    code, said = await probe(server.address, "--service", "nonesuch")
    assert code == 1
    assert "NOT_FOUND" in said


async def test_it_exits_with_1_when_nobody_answers():
    code, said = await probe("127.0.0.1:1")
    assert code == 1
    assert "UNAVAILABLE" in said


async def test_it_asks_where_the_service_of_the_container_listens(server: Server):
    code, said = await probe(WEFT_ROUTER_LISTEN=f"0.0.0.0:{server.port}", WEFT_ROUTER_METRICS_LISTEN="0.0.0.0:1")
    assert (code, said) == (0, f"127.0.0.1:{server.port} SERVING\n")


async def test_it_exits_with_2_when_nobody_says_whom_to_ask():
    code, said = await probe()
    assert code == 2
    assert said.startswith("name an ADDRESS: no WEFT_…_LISTEN is set")


@pytest.mark.parametrize(
    ("listen", "address"),
    [("0.0.0.0:7600", "127.0.0.1:7600"), ("[::]:7600", "[::1]:7600"), (":7600", "127.0.0.1:7600"), ("h:1", "h:1")],
)
def test_every_address_is_asked_on_this_machine(listen: str, address: str):
    assert listening_address({"WEFT_GATEWAY_LISTEN": listen}) == address


def test_several_services_in_one_environment_are_told_apart_by_the_caller():
    with pytest.raises(Unclear, match="WEFT_CACHE_LISTEN, WEFT_ROUTER_LISTEN is set"):
        listening_address({"WEFT_ROUTER_LISTEN": "h:1", "WEFT_CACHE_LISTEN": "h:2"})
