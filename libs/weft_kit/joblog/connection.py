"""The connection to NATS: it reconnects for ever, and says so."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from nats.aio.client import Client


class FrugalClient(Client):
    """nats-py's client, which tells many of a reconnect, and takes a cheaper look at headers.

    Every live message has nine headers. The method that reads them is private: should nats-py rename it, its own takes
    over, and only the speed is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reconnect_hooks: dict[Callable[[], None], None] = {}

    def on_reconnect(self, hook: Callable[[], None]) -> None:
        """Calls `hook` after every reconnect: a server forgets what a connection had asked for when that ends."""
        self._reconnect_hooks[hook] = None

    def forget_reconnect(self, hook: Callable[[], None]) -> None:
        self._reconnect_hooks.pop(hook, None)

    def reconnected(self) -> None:
        for hook in tuple(self._reconnect_hooks):
            hook()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name] = value.strip()
        return headers


@asynccontextmanager
async def connect(url: str, name: str) -> AsyncIterator[FrugalClient]:
    """Connects to one or more servers (comma-separated URLs), waiting for the first one to come up."""
    log = structlog.get_logger()

    closing = False

    async def lost() -> None:
        if not closing:
            log.warning("nats lost", url=url)

    async def back() -> None:
        log.info("nats back", url=url)
        client.reconnected()

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
        # Closing flushes, which a connection that is lost at the moment cannot.
        with suppress(ConnectionError):
            await client.close()
