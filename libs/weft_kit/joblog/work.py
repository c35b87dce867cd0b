"""Leases on jobs: a worker holds one while it heartbeats, and gives it back only once `done` is committed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg

from weft_kit.joblog.codec import from_delivery
from weft_kit.joblog.log import JobLog
from weft_kit.joblog.puller import Puller, ensure_consumer


class Lease:
    """The right to run one job. Losing it is harmless: the fence keeps a zombie from writing."""

    def __init__(self, client: Client, puller: Puller, message: Msg, ack_wait_s: float) -> None:
        self._client = client
        self._puller = puller
        self._reply = message.reply
        self._ack_wait_s = ack_wait_s
        self._open = True
        self.event, self.delivery = from_delivery(message)

    @property
    def job_id(self) -> str:
        return self.event.job_id

    @asynccontextmanager
    async def heartbeats(self) -> AsyncIterator[None]:
        """Keeps the lease while the block runs."""
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()

    async def ack(self) -> None:
        """Ends the lease: the job is done and will not be handed out again."""
        await self._close(b"+ACK")

    async def retry(self, delay_s: float = 0.0) -> None:
        """Gives the job back; some worker gets it after `delay_s`."""
        await self._close(b"-NAK " + json.dumps({"delay": round(delay_s * 1e9)}).encode())

    def release(self) -> None:
        """Frees the place without a word: the lease runs out by itself, or is another worker's by now."""
        if self._open:
            self._open = False
            self._puller.release()

    async def _close(self, word: bytes) -> None:
        if self._open:
            await self._client.publish(self._reply, word)
            self.release()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            await self._client.publish(self._reply, b"+WPI")


class Work:
    """The queue of accepted jobs, as one worker process sees it: at most `slots` leases at a time."""

    def __init__(self, log: JobLog, *, slots: int, consumer: str = "workers") -> None:
        self._client = log.client
        self._config = log.config
        self._consumer = consumer
        self._slots = slots

    @asynccontextmanager
    async def leases(self) -> AsyncIterator[AsyncIterator[Lease]]:
        """Yields leases as jobs and slots come; leaving the block takes no more, and keeps those handed out valid."""
        await ensure_consumer(self._client, self._config, self._consumer, ("accepted",))
        puller = Puller(self._client, self._config, self._consumer, self._slots)
        async with puller.messages() as messages:
            try:
                yield self._each(puller, messages)
            finally:
                # Jobs that arrived but were not begun go to another replica now, not after the ack wait.
                while (message := puller.ready()) is not None:
                    await Lease(self._client, puller, message, self._config.ack_wait_s).retry()

    async def _each(self, puller: Puller, messages: AsyncIterator[Msg]) -> AsyncIterator[Lease]:
        async for message in messages:
            yield Lease(self._client, puller, message, self._config.ack_wait_s)
