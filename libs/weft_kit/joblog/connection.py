"""The connection to NATS: it reconnects for ever, and says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from nats.aio.client import Client


class FrugalClient(Client):
    """nats-py's client with a cheaper look at headers, of which every live message has nine.

    The method is private: should nats-py rename it, its own takes over, and only the speed is lost.
    """

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name] = value.strip()
        return headers


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

    client = FrugalClient()
    await client.connect(
        servers=url.split(","),
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,  # type: ignore[arg-type]  # seconds; fractions work
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
