"""Follows the catalog as it changes: a valid file takes effect within a second, a broken one changes nothing.

The last valid file is kept, so that a broken one does not keep a service from starting either.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

import structlog
from prometheus_client import Counter, Gauge

from weft.common.v1 import catalog_pb2 as pb
from weft_kit.atomic_file import replace_text
from weft_kit.catalog.catalog import (
    Catalog,
    CatalogError,
    parse_catalog,
    read_catalog,
)
from weft_kit.rpc.time import unix_timestamp
from weft_kit.tasks import background

RELOADS = Counter("weft_catalog_reloads", "Changed catalogs that were read.", ["result"])
REFUSED = Gauge("weft_catalog_refused", "1 while the catalog on disk is not the one in force, because it has mistakes.")

Taken = Callable[[Catalog], Awaitable[None]]
"""Puts a new catalog in force. Raises CatalogError, with nothing changed, if it cannot be used."""


async def _as_it_is(_: Catalog) -> None:
    """Accepts every catalog that could be read."""


@dataclass(frozen=True)
class _InForce:
    catalog: Catalog
    text: str
    since_s: float
    is_last_good: bool


@dataclass(frozen=True)
class _Refusal:
    error: CatalogError
    at_s: float


class WatchedCatalog:
    """Holds the catalog in force. Open it with `opened`."""

    def __init__(self, path: Path, last_good: Path, in_force: _InForce, environ: Mapping[str, str]) -> None:
        self._path = path
        self._last_good = last_good
        self._in_force = in_force
        self._environ = environ
        self._stamp: tuple[int, ...] = ()
        self._refusal: _Refusal | None = None
        self._keep_error = ""

    @classmethod
    async def opened(
        cls, path: Path, last_good: Path, take: Taken = _as_it_is, environ: Mapping[str, str] = os.environ
    ) -> Self:
        """Puts the file in force or, if it has mistakes, the catalog last in force, until the file is corrected.

        Raises:
            CatalogError: neither can be used; it names the mistakes of the file.
        """
        stamp = _stamp(path)
        try:
            watched = cls(path, last_good, await _taken(path, take, environ), environ)
            watched._keep()
        except CatalogError as refused:
            watched = cls(path, last_good, await _last_good(last_good, refused, take, environ), environ)
            watched._refuse(refused, "the last good one is in force, until this one is mended")
        watched._stamp = stamp
        return watched

    @property
    def current(self) -> Catalog:
        return self._in_force.catalog

    def status(self, *, with_problems: bool) -> pb.CatalogStatus:
        """Returns which catalog is in force; with the file's problems only for readers who may see all of it."""
        status = pb.CatalogStatus(
            sha256=sha256(self._in_force.text.encode()).hexdigest(),
            load_time=unix_timestamp(self._in_force.since_s),
            is_last_good=self._in_force.is_last_good,
        )
        if self._refusal:
            status.problem_count = len(self._refusal.error.problems)
            status.refuse_time.CopyFrom(unix_timestamp(self._refusal.at_s))
        if with_problems:
            status.keep_error = self._keep_error
            status.problems.extend(self._refusal.error.located if self._refusal else ())
        return status

    @asynccontextmanager
    async def following(self, take: Taken, poll_s: float = 1.0) -> AsyncIterator[None]:
        """Checks every `poll_s` seconds whether the file changed, and if so reads it; on SIGHUP always reads it."""
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # only the main thread can handle signals
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
            stamp = _stamp(self._path)
            if stamp == self._stamp and not told.is_set():
                continue
            told.clear()
            self._stamp = stamp
            await self._reload(take)

    async def _reload(self, take: Taken) -> None:
        try:
            self._in_force = await _taken(self._path, take, self._environ)
        except CatalogError as refused:
            self._refuse(refused, "the one before stays in force")
            return
        self._refusal = None
        RELOADS.labels("taken").inc()
        REFUSED.set(0)
        models, providers = list(self.current.models), list(self.current.providers)
        structlog.get_logger().info("catalog taken", models=models, providers=providers)
        self._keep()

    def _refuse(self, error: CatalogError, instead: str) -> None:
        self._refusal = _Refusal(error, time.time())
        RELOADS.labels("refused").inc()
        REFUSED.set(1)
        structlog.get_logger().error(f"catalog refused; {instead}", problems=error.located)

    def _keep(self) -> None:
        """Stores the catalog in force, for a start that finds the file broken."""
        try:
            self._last_good.parent.mkdir(parents=True, exist_ok=True)
            replace_text(self._last_good, self._in_force.text, mode=0o600)
        except OSError as error:
            self._keep_error = f"{self._last_good} cannot be written ({error.strerror}): name another CATALOG_LAST_GOOD"
            structlog.get_logger().warning(
                "a broken catalog would keep this service from starting again", error=self._keep_error
            )
            return
        self._keep_error = ""


def last_good_beside(path: Path, service: str) -> Path:
    """Returns the default place where a service keeps its last good catalog."""
    return path.with_name(f"{path.name}.{service}-last-good")


async def _taken(path: Path, take: Taken, environ: Mapping[str, str], *, is_last_good: bool = False) -> _InForce:
    text = read_catalog(path)
    catalog = parse_catalog(text, path, environ)
    try:
        await take(catalog)
    except CatalogError as refused:
        raise CatalogError(path, refused.problems, text) from refused
    return _InForce(catalog, text, time.time(), is_last_good)


async def _last_good(path: Path, refused: CatalogError, take: Taken, environ: Mapping[str, str]) -> _InForce:
    """Returns the catalog last in force. Raises `refused` if there is none, or it cannot be used."""
    try:
        return await _taken(path, take, environ, is_last_good=True)
    except CatalogError:
        raise refused from None


def _stamp(path: Path) -> tuple[int, ...]:
    """Returns values that change whenever the file does; none if there is no file."""
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return ()
