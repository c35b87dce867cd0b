"""The catalog while it changes: a better file takes over within a second, a broken one changes nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from weft_kit.background import background
from weft_kit.catalog import Catalog, CatalogError, load_catalog

RELOADS = Counter("weft_catalog_reloads", "Changed catalogs that were read.", ["result"])
REFUSED = Gauge("weft_catalog_refused", "1 while the catalog on disk is not the one in force, because it has mistakes.")

Taken = Callable[[Catalog], Awaitable[None]]
"""Puts a new catalog in force; raises CatalogError where it cannot be used, and then has changed nothing."""


class WatchedCatalog:
    """Holds the catalog in force."""

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        """Read the file. Raises CatalogError."""
        self.path = path
        self._environ = environ
        self._stamp = _stamp(path)
        self.current = load_catalog(path, environ)

    @asynccontextmanager
    async def following(self, take: Taken, poll_s: float = 1.0) -> AsyncIterator[None]:
        """Look at the file every `poll_s` seconds, and read it when it changed; on SIGHUP read it in any case."""
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # signals belong to the main thread alone
            loop.add_signal_handler(signal.SIGHUP, told.set)
        try:
            async with background(self._watch(take, told, poll_s)):
                yield
        finally:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self, take: Taken, told: asyncio.Event, poll_s: float) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(poll_s):
                    await told.wait()
            stamp = _stamp(self.path)
            if stamp == self._stamp and not told.is_set():
                continue
            told.clear()
            self._stamp = stamp
            await self._reload(take)

    async def _reload(self, take: Taken) -> None:
        log = structlog.get_logger()
        try:
            catalog = load_catalog(self.path, self._environ)
            await take(catalog)
        except CatalogError as error:
            RELOADS.labels("refused").inc()
            REFUSED.set(1)
            log.error("catalog refused; the one before stays in force", problems=error.problems)  # noqa: TRY400
            return
        self.current = catalog
        RELOADS.labels("taken").inc()
        REFUSED.set(0)
        log.info("catalog taken", models=list(catalog.models), providers=list(catalog.providers))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes with the file; nothing when it is not there."""
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return ()
