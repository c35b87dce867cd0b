"""The connection to NATS: it reconnects for ever, and says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import structlog
from nats.aio.client import Client


@asynccontextmanager
async def connect(url: str, name: str) -> AsyncIterator[Client]:
    """Connects to one or more servers (comma-separated URLs), waiting for the first one to come up."""
    log = structlog.get_logger()

    closing = False

    async def lost() -> None:
        if not closing:
            log.warning("nats lost", url=url)

    async def back() -> None:
        log.info("nats back", url=url)

    async def failed(error: Exception) -> None:
        log.warning("nats error", error=repr(error))

    client = await nats.connect(
        servers=url.split(","),
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=failed,
    )
    try:
        yield client
    finally:
        closing = True
        await client.close()
