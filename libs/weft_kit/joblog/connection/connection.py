"""The connection to NATS: it reconnects for ever, with growing pauses, and logs its state."""

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import structlog
from nats.aio.client import Server

from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.outages import Outage, Reminders

_FIRST_PAUSE_S = 0.1
# A log that is back must hear of running jobs before their leases end.
_LONGEST_PAUSE_S = 1.0


@asynccontextmanager
async def connect(url: str, name: str) -> AsyncIterator[FrugalClient]:
    """Connects to one or more servers (comma-separated URLs), waiting for the first one to come up."""
    servers = url.split(",")
    client, log = FrugalClient(), _ConnectionLog(servers)

    async def back() -> None:
        log.back()
        client.reconnected()

    await client.connect(
        servers=servers,
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=_FIRST_PAUSE_S,  # type: ignore[arg-type]  # seconds; fractions work
        reconnect_to_server_handler=_next_try,
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        skip_subject_validation=True,  # all subjects are made of ids that were checked
        disconnected_cb=log.lost,
        reconnected_cb=back,
        error_cb=log.failed,
    )
    log.back()
    try:
        yield client
    finally:
        log.is_closing = True
        # Closing flushes, which a connection that is lost at the moment cannot.
        with suppress(ConnectionError):
            await client.close()


def addresses(servers: Sequence[str]) -> list[str]:
    """Where servers are, without the user, password or token that their URLs may hold."""
    return [urlsplit(server if "//" in server else f"//{server}").netloc.rpartition("@")[2] for server in servers]


def _next_try(pool: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    """Chooses the server tried least often, and how long to wait before it is tried: longer each time, jittered."""
    server = min(pool, key=lambda server: server.reconnects)
    if not server.reconnects:
        return server, 0.0
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(server.reconnects - 1, 10))
    return server, random.uniform(0.5, 1) * pause_s / len(pool)  # noqa: S311  # jitter


class _ConnectionLog:
    """Says how the connection is: once when it goes, once when it is back, and rarely in between."""

    def __init__(self, servers: Sequence[str]) -> None:
        self.is_connected = False
        self.is_closing = False
        self._outage = Outage("nats lost", "nats back", servers=addresses(servers))
        # What goes wrong on a connection that stands, by kind: a slow consumer drops messages by the thousand.
        self._errors: dict[str, Reminders] = {}

    async def lost(self) -> None:
        if not self.is_closing:
            self.is_connected = False
            self._outage.failed("the connection ended")

    def back(self) -> None:
        self.is_connected = True
        self._outage.ended()

    async def failed(self, error: Exception) -> None:
        if not self.is_connected:
            self._outage.failed(error)
            return
        reminders = self._errors.setdefault(type(error).__name__, Reminders())
        if reminders.due(time.monotonic()):
            structlog.get_logger().warning("nats error", error=repr(error))
