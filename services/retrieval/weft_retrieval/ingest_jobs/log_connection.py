"""The log of ingest jobs: a separate stream, connected once NATS answers; searches do not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from weft_kit.joblog import JobLog, LogConfig, connect
from weft_kit.mesh_id import OtherMesh
from weft_kit.rpc.errors import DependencyDown, Unsupported
from weft_kit.tasks import ended, for_ever

_READY_S = 2.0
_CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class IngestLog(LogConfig):
    """Configuration of the log of ingest jobs, which live longer than generations and are fewer."""

    stream: str = "INGESTS"
    prefix: str = "ingests"
    live_prefix: str = "ingests-live"
    retention_s: float = 2 * 24 * 3600
    max_bytes: int = 1024**3


class LogLink:
    """The log while its context lasts. Entering does not wait for NATS.

    It is bound to the database whose name `identity` returns, and used only then.
    """

    def __init__(self, nats_url: str, config: IngestLog, identity: Callable[[], Awaitable[str]]) -> None:
        self._url = nats_url
        self._config = config
        self._identity = identity
        self._refusal: OtherMesh | None = None
        self._log: JobLog | None = None
        self._linked = asyncio.Event()
        self._linking: asyncio.Task[None] | None = None

    async def log(self, within_s: float | None = _READY_S) -> JobLog:
        """Returns the log; raises DependencyDown when NATS has not answered in time, Unsupported without a URL."""
        if not self._url:
            message = "this mesh runs no ingest jobs: set WEFT_RETRIEVAL_NATS_URL, or send documents singly to Ingest"
            raise Unsupported("ingest jobs", message)
        if self._log is None:
            try:
                await asyncio.wait_for(self._linked.wait(), within_s)
            except TimeoutError:
                message = "the log does not answer yet; retry, and check that NATS runs"
                raise DependencyDown("nats", message) from None
        if self._log is None:
            raise DependencyDown("nats", str(self._refusal))
        return self._log

    async def judged(self, within_s: float) -> None:
        """Returns once the log's owner is known, or after `within_s` seconds. Raises OtherMesh."""
        if self._url:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._linked.wait(), within_s)
        if self._refusal:
            raise self._refusal

    async def check(self) -> None:
        """Raises DependencyDown while the log cannot be used."""
        await (await self.log(_CHECK_S)).check()

    async def check_clock(self) -> None:
        """Raises DependencyDown while our clock differs from the log's; before there is a log it counts as right."""
        if self._log:
            await self._log.check_clock()

    async def __aenter__(self) -> Self:
        if self._url:
            # Whatever keeps the log down, searches continue.
            self._linking = asyncio.create_task(for_ever("link up with the log of ingest jobs", self._link))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._linking:
            await ended(self._linking)

    async def _link(self) -> None:
        async with connect(self._url, "retrieval") as client:
            log = JobLog(client, self._config)
            try:
                async with log.watched():
                    await log.claim(await self._identity())
                    self._log = log
                    self._linked.set()
                    await asyncio.Event().wait()
            except OtherMesh as refusal:
                self._refusal = refusal
                self._linked.set()
                structlog.get_logger().error("no ingest jobs", error=str(refusal))
                await asyncio.Event().wait()
