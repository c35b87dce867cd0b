"""Checks the log every two seconds: it exists, has a leader, stores, and agrees with us about the time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from weft_kit.joblog.stream.clock import LogClock
from weft_kit.joblog.stream.stream import DATABASE, ensure_stream
from weft_kit.joblog.stream.stream_client import NOT_STORING, StreamClient
from weft_kit.outages import Outage
from weft_kit.rpc.errors import CannotStart, DependencyDown
from weft_kit.tasks import background, for_ever

_LOOK_EVERY_S = 2.0
_LIMIT_S = 2.0
_FIRST_PAUSE_S = 0.25
_WIDEN_EVERY_S = 600.0
_NO_STREAM = 10059
_SILENT = "the log does not answer; retry, and check that nats-server runs"


class Monitor:
    """Checks the stream, and creates it again when its store is lost; `renewed` is then called.

    Until it watches, the log counts as well.
    """

    def __init__(self, wire: StreamClient, clock: LogClock, renewed: Callable[[], Awaitable[None]]) -> None:
        self._wire = wire
        self._config = wire.config
        self._clock = clock
        self._renewed = renewed
        self._problem = ""
        self._created = ""
        self._database = ""
        self._bytes = 0
        self._look_now = asyncio.Event()
        self._may_widen_at = 0.0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches while the context lasts. Entering waits for the log. Raises StreamMismatch and OtherMesh."""
        await self._until_there()
        self._wire.client.on_reconnect(self._reconnected)
        try:
            async with background(for_ever("look at the log", self._watch)):
                yield
        finally:
            self._wire.client.forget_reconnect(self._reconnected)

    async def claim(self, database: str) -> None:
        """Records in the log which database it belongs to; waits for it. Raises OtherMesh if it belongs to another."""
        self._database = database
        await self._until_there()

    def check(self) -> None:
        """Raises DependencyDown while the log cannot be used."""
        if self._problem:
            raise DependencyDown("nats", self._problem)

    def check_stores(self) -> None:
        """Raises DependencyDown while the log answers but does not store: a write would wait in vain."""
        if not self._wire.stores:
            self.check()

    async def _until_there(self) -> None:
        waiting = Outage("waiting for the log", "the log is there", stream=self._config.stream)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._ensure()
                await self._look()
            except DependencyDown as error:
                waiting.failed(error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LOOK_EVERY_S)
            else:
                return waiting.ended()

    async def _watch(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._look_now.clear()
            try:
                await self._look()
                self._problem, pause_s = "", _FIRST_PAUSE_S
            except (DependencyDown, CannotStart) as error:
                self._problem, pause_s = str(error), min(2 * pause_s, _LOOK_EVERY_S)
            await self._pause(pause_s if self._problem else _LOOK_EVERY_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(random.uniform(0.5, 1) * seconds):  # noqa: S311  # jitter
                await self._look_now.wait()
        except TimeoutError:
            return

    def _reconnected(self) -> None:
        # A server that started again may have another disk, with more room or with nothing on it.
        self._may_widen_at = 0.0
        self._look_now.set()

    async def _look(self) -> None:
        """Raises DependencyDown for any problem."""
        info = await self._ask()
        if "error" in info:
            await self._ensure()
            info = await self._ask()
        await self._recognise(info)
        if not self._wire.stores:
            await self._probe()
        is_small = info["config"]["max_bytes"] < self._config.max_bytes
        if (is_small and asyncio.get_running_loop().time() > self._may_widen_at) or self._is_unclaimed(info):
            await self._ensure()

    def _is_unclaimed(self, info: dict[str, Any]) -> bool:
        """Tells whether the stream does not say what we know: a new one after a loss, or another mesh's."""
        return bool(self._database) and info["config"].get("metadata", {}).get(DATABASE) != self._database

    async def _ask(self) -> dict[str, Any]:
        """Returns what the server says of the stream, and what time it is there; an error when there is none."""
        asked = self._clock.now()
        try:
            info = await self._wire.api(f"STREAM.INFO.{self._config.stream}", {}, (_NO_STREAM,), _LIMIT_S)
        except DependencyDown as error:
            raise DependencyDown("nats", _SILENT) from error
        if "ts" in info:
            self._clock.compare(asked, datetime.fromisoformat(info["ts"]).timestamp())
        return info

    async def _recognise(self, info: dict[str, Any]) -> None:
        """Detects a stream that is not the former one, whoever created it."""
        created = info["created"]
        if self._created and self._created != created:
            await self._renewed()
            self._wire.log_number += 1
            structlog.get_logger().warning(
                "the log is a new one: what the one before held is lost", stream=self._config.stream, created=created
            )
        self._created = created

    async def _probe(self) -> None:
        try:
            await self._wire.probe()
        except DependencyDown:
            raise DependencyDown("nats", NOT_STORING) from None
        if not self._wire.stores:
            raise DependencyDown("nats", NOT_STORING)

    async def _ensure(self) -> None:
        """Creates the stream, or enlarges it if there is space now."""
        self._may_widen_at = asyncio.get_running_loop().time() + _WIDEN_EVERY_S
        try:
            info = await ensure_stream(self._wire.client.jetstream(), self._config, self._database)
        except APIError as error:
            raise DependencyDown("nats", f"nats-server does not make the stream: {error.description}") from error
        except (NatsError, OSError) as error:
            raise DependencyDown("nats", _SILENT) from error
        self._tell_size(info.config.max_bytes or 0)

    def _tell_size(self, size: int) -> None:
        if size < self._config.max_bytes and size != self._bytes:
            structlog.get_logger().warning(
                "the log is smaller than configured: nats-server has no disk for more; give it some, or set max_bytes",
                stream=self._config.stream,
                bytes=size,
                max_bytes=self._config.max_bytes,
            )
        self._bytes = size
