"""Which jobs are being read: through this gateway, and through the others, which are asked.

Every gateway knows its own readers, and when the last one left a job before its end. A query goes to all gateways at
once, and those that know something answer. It is sent only for jobs whose caller left with DETACH_FOR, at most once in
that time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from weft.job.v1 import event_pb2
from weft_kit.rpc.errors import DependencyDown

# As long as the longest DETACH_FOR, plus a little.
_REMEMBERED_S: Final = 3_700.0
# About 20 MB. If more readers than this leave early within an hour, the oldest are forgotten.
_MOST_REMEMBERED: Final = 100_000
_ANSWER_S: Final = 0.25
_FLUSH_S: Final = 2


class OpenReader:
    """One reader of a job. `over` is set once the job's end has passed by."""

    def __init__(self) -> None:
        self.over = False

    async def watched(self, events: AsyncIterator[event_pb2.JobEvent]) -> AsyncIterator[event_pb2.JobEvent]:
        async for event in events:
            self.over = event.HasField("done")
            yield event


class Readers:
    """This gateway's readers, and the exchange with other gateways. `mesh` separates gateways of different logs."""

    def __init__(self, client: Client, mesh: str) -> None:
        self._client = client
        self._subject = f"weft.readers.{mesh}"
        self._reading: dict[str, int] = {}
        # In the order in which they left.
        self._left_at: dict[str, float] = {}

    @contextmanager
    def reading(self, job_id: str) -> Iterator[OpenReader]:
        """Counts a reader of the job while the block lasts."""
        reading = OpenReader()
        self._reading[job_id] = self._reading.get(job_id, 0) + 1
        try:
            yield reading
        finally:
            self._reading[job_id] -= 1
            if not self._reading[job_id]:
                del self._reading[job_id]
            if not reading.over:
                self._remember(job_id, time.monotonic())

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers the queries of all gateways, this one included, while the block lasts."""
        subscription = await self._client.subscribe(self._subject, cb=self._answer)
        try:
            yield
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()

    async def last_read_s(self, job_id: str) -> float | None:
        """Returns the seconds since someone read the job through any gateway; 0 while someone does, None if unknown.

        Raises DependencyDown when the query may not have reached the other gateways.
        """
        inbox = self._client.new_inbox()
        answers: list[float] = []

        async def hear(message: Msg) -> None:
            if message.data:
                answers.append(float(message.data))

        subscription = await self._client.subscribe(inbox, cb=hear)
        try:
            await self._client.publish(self._subject, job_id.encode(), reply=inbox)
            await self._client.flush(_FLUSH_S)
            # The number of gateways is not known, so the query stays open for as long as answers may take.
            await asyncio.sleep(_ANSWER_S)
        except (nats.errors.Error, OSError) as error:
            raise DependencyDown("nats", "the gateways cannot be asked who reads a job; retry") from error
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()
        return min(answers, default=None)

    async def _answer(self, question: Msg) -> None:
        age_s = self._age_s(question.data.decode())
        if age_s is not None:
            await question.respond(f"{age_s:.3f}".encode())

    def _age_s(self, job_id: str) -> float | None:
        if job_id in self._reading:
            return 0.0
        left_at = self._left_at.get(job_id)
        return None if left_at is None else time.monotonic() - left_at

    def _remember(self, job_id: str, now: float) -> None:
        self._left_at.pop(job_id, None)
        self._left_at[job_id] = now
        while (oldest := next(iter(self._left_at))) and (
            len(self._left_at) > _MOST_REMEMBERED or self._left_at[oldest] < now - _REMEMBERED_S
        ):
            del self._left_at[oldest]
