"""Leases on jobs: a worker holds one while it heartbeats, and gives it back only once `done` is committed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from prometheus_client import Counter

from weft.job.v1 import event_pb2
from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.events.codec import from_delivery, unreadable
from weft_kit.joblog.events.ids import tag_of
from weft_kit.joblog.log import JobLog
from weft_kit.joblog.queue.dispatcher import Dispatcher
from weft_kit.joblog.queue.fair_queue import QUANTUM_TOKENS, FairQueue
from weft_kit.joblog.queue.peers import Peers
from weft_kit.tasks import background

UNREADABLE = Counter("weft_unreadable_jobs", "Jobs that no worker can read, taken out of their lanes.")


class Lease:
    """The right to run one job. Losing it is harmless: the fence prevents writes by a worker that lost it.

    `released` is called once, when the place is free again, with the tokens the job took; None means as expected.
    """

    def __init__(
        self,
        client: FrugalClient,
        message: Msg,
        heartbeat_s: float,
        released: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._reply = message.reply
        self._heartbeat_s = heartbeat_s
        self._released: Callable[[int | None], None] | None = released
        self._tokens: int | None = None
        self.event, self.delivery = from_delivery(message)

    @property
    def job_id(self) -> str:
        return self.event.job_id

    @property
    def delivery_id(self) -> str:
        """Names this delivery to the server; see `Leases.redeliver_now`."""
        return self._reply

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Keeps the lease while the block runs."""
        self._beat_later()
        try:
            yield
        finally:
            self._next_beat.cancel()

    def settle(self, tokens: int) -> None:
        """Reports the tokens that the job really used; its lane was charged the expected number."""
        self._tokens = tokens

    async def ack(self) -> None:
        """Ends the lease: the job is done and will not be handed out again."""
        await self._close(b"+ACK")

    async def retry(self, delay_s: float = 0.0) -> None:
        """Releases the job; some worker gets it after `delay_s`."""
        await self._close(b"-NAK " + json.dumps({"delay": round(delay_s * 1e9)}).encode())

    async def give_up(self) -> None:
        """Removes the job from its lane: no worker gets it again, and the reaper ends it once it expires."""
        await self._close(b"+TERM")

    def release(self) -> None:
        """Frees the slot without telling the server: the lease expires by itself, or belongs to another worker by
        now.
        """
        if self._released is not None:
            released, self._released = self._released, None
            released(self._tokens)

    async def _close(self, word: bytes) -> None:
        if self._released is not None:
            await self._client.publish(self._reply, word)
            self.release()

    def _beat_later(self) -> None:
        # A timer: a task a job costs more than all that it sends.
        self._next_beat = asyncio.get_running_loop().call_later(self._heartbeat_s, self._beat)

    def _beat(self) -> None:
        self._beat_later()
        self._client.keep(self._reply)


class Leases:
    """The queue of accepted jobs, as one worker process sees it: at most `slots` leases at a time.

    Jobs come from all tenants in turn, and of each in the order of priority: a tenant with twice the `weight` gets
    twice the tokens while others wait too. Where it `is_expedited`, its jobs of priority HIGH go before everybody's.
    Both are asked of a tenant's tag. `cost` says how many tokens a job is expected to take. Peers take over what a
    process that is gone held; `name` is what they call this one.
    """

    def __init__(
        self,
        log: JobLog,
        *,
        slots: int,
        weight: Callable[[str], float] = lambda _tenant: 1.0,
        is_expedited: Callable[[str], bool] = lambda _tenant: False,
        cost: Callable[[event_pb2.Accepted], int] = lambda _accepted: QUANTUM_TOKENS,
        name: str = "",
    ) -> None:
        self._log = log
        self._client = log.client
        self._heartbeat_s = log.config.heartbeat_s
        self._turns = FairQueue(weight)
        self._cost = cost
        self._peers = Peers(log.client, log.config, name)
        self._queue = Dispatcher(log.client, log.config, log.lanes, slots, self._turns, is_expedited, self._peers.take)

    @asynccontextmanager
    async def leases(self) -> AsyncIterator[AsyncIterator[Lease]]:
        """Yields leases as jobs and slots come; leaving the block takes no more, and keeps those handed out valid.

        With a clock that is not the log's, no job's time can be judged: entering waits until it is, and the iteration
        ends when it is no more.
        """
        await self._log.clock.until_right()
        async with self._peers.watching():
            try:
                async with self._queue.open(), background(self._stop_when_wrong()):
                    try:
                        yield self._each()
                    finally:
                        self._queue.stop()
            finally:
                await self._return_held()

    async def redeliver_now(self, delivery_id: str) -> None:
        """Has a job handed out now that was given back with a delay, in this delivery."""
        await self._client.publish(delivery_id, b"-NAK")

    async def _each(self) -> AsyncIterator[Lease]:
        while (found := await self._queue.next()) is not None:
            try:
                lease = self._lease(*found)
            except DecodeError:
                await self._give_up(*found)
            else:
                yield lease

    async def _stop_when_wrong(self) -> None:
        await self._log.clock.until_wrong()
        self._queue.stop()

    async def _return_held(self) -> None:
        """Gives jobs that arrived but were not begun to another replica now, not after the ack wait."""
        for lane, message in self._queue.held():
            await self.redeliver_now(message.reply)
            self._peers.drop(message.reply)
            self._queue.release(lane)

    async def _give_up(self, lane: str, message: Msg) -> None:
        """Removes a message that is not a job from its lane: no worker will ever be able to read it."""
        await self._client.publish(message.reply, b"+TERM")
        self._peers.drop(message.reply)
        self._queue.release(lane)
        UNREADABLE.inc()
        structlog.get_logger().error("a job cannot be read and is given up", job_id=unreadable(message).job_id)

    def _lease(self, lane: str, message: Msg) -> Lease:
        def released(tokens: int | None) -> None:
            if tokens is not None:
                self._turns.charge(tag_of(lane), tokens - expected)
            self._peers.drop(message.reply)
            self._queue.release(lane)

        lease = Lease(self._client, message, self._heartbeat_s, released)
        expected = self._cost(lease.event.accepted)
        self._turns.charge(tag_of(lane), expected)
        return lease
