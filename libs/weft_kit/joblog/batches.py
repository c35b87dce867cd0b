"""Batches of events, for readers that project the log into something else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg

from weft.job.v1 import event_pb2
from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.connection.puller import Puller
from weft_kit.joblog.events.codec import Unreadable, from_delivery, unreadable
from weft_kit.joblog.log import JobLog
from weft_kit.tasks import background


@dataclass(frozen=True)
class EventBatch:
    """Events to be handled together. Unacknowledged ones come again after the ack wait: handling must be idempotent."""

    events: list[event_pb2.JobEvent]
    deliveries: list[int]
    """How many times each event was handed out, this time included."""
    unreadable: list[Unreadable]
    """Messages that are not events: acknowledged with the others, so the batch's handler must deal with them."""
    _heartbeat_s: float
    _messages: list[Msg]
    _client: FrugalClient
    _puller: Puller

    async def ack(self) -> None:
        for message in self._messages:
            await self._answer(message, b"+ACK")

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keeps the batch for as long as its handling takes."""
        async with background(self._beat()):
            yield

    async def retry(self, delay_s: float) -> None:
        """Gives the batch back, to come again after `delay_s`."""
        for message in self._messages:
            await self._answer(message, b'-NAK {"delay": %d}' % round(delay_s * 1e9))

    async def _beat(self) -> None:
        while True:
            for message in self._messages:
                self._client.keep(message.reply)
            await asyncio.sleep(self._heartbeat_s)

    async def _answer(self, message: Msg, word: bytes) -> None:
        await self._client.publish(message.reply, word)
        self._puller.release()


class Batches:
    """A durable consumer of some kinds of events. Replicas that name the same consumer share its events."""

    def __init__(
        self,
        log: JobLog,
        *,
        consumer: str,
        kinds: tuple[str, ...],
        max_batch: int = 500,
        max_wait_s: float = 0.1,
    ) -> None:
        self._client = log.client
        self._config = log.config
        self._consumer = consumer
        self._ensure = partial(log.ensure_consumer, consumer, kinds)
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s

    async def __aiter__(self) -> AsyncIterator[EventBatch]:
        """Yields batches for ever: the first event opens one, `max_wait_s` or `max_batch` closes it."""
        puller = Puller(self._client, self._config, self._consumer, 2 * self._max_batch, self._ensure)
        async with puller.messages() as messages:
            async for first in messages:
                yield self._batch(puller, await self._gather(puller, first))

    async def _gather(self, puller: Puller, first: Msg) -> list[Msg]:
        gathered = [first]
        if self._max_wait_s:
            await asyncio.sleep(self._max_wait_s)
        while len(gathered) < self._max_batch and (message := puller.ready()) is not None:
            gathered.append(message)
        return gathered

    def _batch(self, puller: Puller, messages: list[Msg]) -> EventBatch:
        batch = EventBatch([], [], [], self._config.heartbeat_s, messages, self._client, puller)
        for message in messages:
            try:
                event, deliveries = from_delivery(message)
            except DecodeError:
                batch.unreadable.append(unreadable(message))
            else:
                batch.events.append(event)
                batch.deliveries.append(deliveries)
        return batch
