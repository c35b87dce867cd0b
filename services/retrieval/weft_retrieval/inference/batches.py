"""Embeds many documents at once: texts that wait during one batch form the next one, whichever document they belong to.

Tenants take turns: the thousand windows of one tenant's book do not delay another's note.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import grpc
import numpy as np

from weft_kit.rpc.context import current, remaining_to_pass_on
from weft_kit.rpc.errors import DeadlineExceeded, WeftError
from weft_kit.tasks import together
from weft_kit.time_limits import time_limit
from weft_retrieval.inference.embedder import EmbeddingClient, Vectors

# How an embedder answers if a text is at fault, rather than time or the mesh.
_BLAMES_A_TEXT = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}

# As long as an ingest job may live; callers have less.
_LONGEST_WAIT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Order:
    texts: Sequence[str]
    vectors: asyncio.Future[Vectors]


class SharedBatches:
    """Keeps `batches_in_flight` batches of up to `batch_texts` texts in progress, while its context lasts."""

    def __init__(self, embedder: EmbeddingClient, *, batch_texts: int, batches_in_flight: int) -> None:
        self._embedder = embedder
        self._batch_texts = batch_texts
        self._most_in_flight = batches_in_flight
        self._waiting: dict[str, deque[_Order]] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._busy_s = 0.0
        self._busy_since = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    @property
    def busy_s(self) -> float:
        """Seconds in which at least one batch was under way, since the start."""
        now = asyncio.get_running_loop().time()
        return self._busy_s + (now - self._busy_since if self._in_flight else 0.0)

    async def documents(self, texts: Sequence[str]) -> Vectors:
        """Embeds at least one text; raises what Embedder.documents raises."""
        parts = [texts[at : at + self._batch_texts] for at in range(0, len(texts), self._batch_texts)]
        found = await together(self._ordered(part) for part in parts)
        rows = np.concatenate([vectors.rows for vectors in found])
        return Vectors(rows, found[0].embedder, np.concatenate([vectors.is_read for vectors in found]))

    async def _ordered(self, texts: Sequence[str]) -> Vectors:
        order = _Order(texts, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(current().tenant, deque()).append(order)
        self._send()
        message = "inference did not answer in time; check that it runs, or allow more time"
        # The batch belongs to no call, but the callers that wait for it may have little time left.
        late = partial(DeadlineExceeded, message, dependency="inference")
        async with time_limit(remaining_to_pass_on(_LONGEST_WAIT_S), late):
            return await order.vectors

    def _send(self) -> None:
        while len(self._in_flight) < self._most_in_flight and (batch := self._next_batch()):
            if not self._in_flight:
                self._busy_since = asyncio.get_running_loop().time()
            # A batch belongs to no call: it must not end with the deadline of the call that happened to start it.
            task = asyncio.get_running_loop().create_task(self._embed(batch), context=Context())
            self._in_flight.add(task)
            task.add_done_callback(self._landed)
            for order in batch:
                order.vectors.add_done_callback(partial(_end_unwanted, task, batch))

    def _next_batch(self) -> list[_Order]:
        """Takes an order of each tenant in turn, as long as they fit; an order that does not fit comes first next
        time.
        """
        batch: list[_Order] = []
        free = self._batch_texts
        turns = deque(self._waiting)
        while turns:
            tenant = turns.popleft()
            if (order := self._first_of(tenant)) and len(order.texts) <= free:
                batch.append(order)
                free -= len(order.texts)
                orders = self._waiting.pop(tenant)
                orders.popleft()
                self._waiting[tenant] = orders
                turns.append(tenant)
        return batch

    def _first_of(self, tenant: str) -> _Order | None:
        orders = self._waiting[tenant]
        while orders and orders[0].vectors.done():  # its caller has left
            orders.popleft()
        if not orders:
            del self._waiting[tenant]
        return orders[0] if orders else None

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not self._in_flight:
            self._busy_s += asyncio.get_running_loop().time() - self._busy_since
        self._send()

    async def _embed(self, batch: Sequence[_Order]) -> None:
        try:
            found = await self._embedder.documents([text for order in batch for text in order.texts])
        except Exception as error:  # noqa: BLE001 - it is passed on to those who wait
            await self._failed(batch, error)
            return
        ends = np.cumsum([len(order.texts) for order in batch])
        parts = zip(batch, np.split(found.rows, ends[:-1]), np.split(found.is_read, ends[:-1]), strict=True)
        for order, rows, is_read in parts:
            if not order.vectors.done():
                order.vectors.set_result(Vectors(rows, found.embedder, is_read))

    async def _failed(self, batch: Sequence[_Order], error: Exception) -> None:
        """Finds out whose texts made a batch fail, unless it would have failed with any texts."""
        if len(batch) > 1 and isinstance(error, WeftError) and error.status in _BLAMES_A_TEXT:
            for order in batch:
                await self._embed([order])
            return
        for order in batch:
            if not order.vectors.done():
                order.vectors.set_exception(error)


def _end_unwanted(task: asyncio.Task[None], batch: Sequence[_Order], _: object) -> None:
    """Abandons a batch that nobody waits for any more, since others wait behind it."""
    if all(order.vectors.done() for order in batch):
        task.cancel()
