"""What a connection to NATS says of itself, and how eagerly it comes back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Server
from structlog.testing import capture_logs

from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import connect
from weft_kit.joblog.connection.connection import _next_try, addresses


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    with serving(lambda port: NatsServer(tmp_path / "nats", port)) as server:
        yield server


def test_addresses_are_without_users_passwords_and_tokens() -> None:
    urls = ["nats://weft:secret@10.0.0.1:4222", "tls://token@[::1]:4222", "weft:secret@host:1", "10.0.0.2:4222"]
    assert addresses(urls) == ["10.0.0.1:4222", "[::1]:4222", "host:1", "10.0.0.2:4222"]


async def test_a_lost_connection_is_two_lines_that_hold_no_password(nats: NatsServer) -> None:
    back = asyncio.Event()
    with capture_logs() as lines:
        async with connect(nats.url, "test") as client:
            client.on_reconnect(back.set)
            nats.stop()
            await asyncio.sleep(2)  # it tries to come back meanwhile
            assert not client.is_connected
            nats.start()
            async with asyncio.timeout(20):
                await back.wait()
    about = [line for line in lines if line["event"] in ("nats lost", "nats back")]
    assert [line["event"] for line in about] == ["nats lost", "nats back"]
    assert len(lines) <= 4
    assert about[0]["servers"] == [f"127.0.0.1:{nats.port}"]
    assert nats.password not in str(lines)


def test_tries_grow_rarer_and_go_round_all_servers() -> None:
    pool = [Server(uri="a", reconnects=2), Server(uri="b", reconnects=1)]  # type: ignore[arg-type]
    server, pause_s = _next_try(pool, {})
    assert server.uri == "b"
    assert pause_s <= 0.05
    assert _next_try([Server(uri="a")], {})[1] == 0  # type: ignore[arg-type]
    pauses = [_next_try([Server(uri="a", reconnects=1000)], {})[1] for _ in range(100)]  # type: ignore[arg-type]
    assert 0.5 <= min(pauses) < max(pauses) <= 1


class ClosedTransport:
    """Refuses to write, in the way of uvloop once a connection has ended."""

    def writelines(self, _lines: list[bytes]) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")


async def test_what_is_written_while_the_connection_closes_goes_out_later(nats_url: str) -> None:
    async with connect(nats_url, "writer") as client:
        told = await client.subscribe("told")
        await client.flush()
        # As for a moment when a server dies: nothing flushes any more, and the client is not told yet.
        client._flusher_task.cancel()
        await asyncio.wait([client._flusher_task])
        transport, client._transport = client._transport, ClosedTransport()
        await client.publish("told", b"first")
        client._transport = transport
        await client.publish("told", b"second")
        assert [(await told.next_msg(timeout=20)).data for _ in range(2)] == [b"first", b"second"]
