"""The job log: one stream, a short run of events per job, compare-and-set at every step."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

import stamina
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import ServiceUnavailableError

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.events.codec import from_message
from weft_kit.joblog.events.ids import JobKey, lanes_of
from weft_kit.joblog.events.projection import envelope_of, text_hash
from weft_kit.joblog.events.sizes import HEADERS_BYTES
from weft_kit.joblog.lanes import Depth, Lanes
from weft_kit.joblog.reader import LAG_S, Feed, Follower, JobGone
from weft_kit.joblog.settings import LogConfig
from weft_kit.joblog.stream.clock import LogClock
from weft_kit.joblog.stream.monitor import Monitor
from weft_kit.joblog.stream.stream import ensure_stream
from weft_kit.joblog.stream.stream_client import StreamClient, WrongSequence
from weft_kit.joblog.writer import Fenced, Step, Writer, event_of
from weft_kit.rpc.errors import CannotStart


class AlreadyAccepted(Exception):
    """The job exists. `first` is its first event: `accepted`, or a single `done`; compare its request hash."""

    def __init__(self, first: event_pb2.JobEvent) -> None:
        super().__init__(f"job {first.job_id} was accepted before")
        self.first = first


class Unfinished(Exception):
    """The job is not over."""


class Reach(NamedTuple):
    """When the log was created, and the time before which it holds nothing: that of its first event, or now if it is
    empty.
    """

    made: datetime
    oldest: datetime


class JobLog:
    """Accepts, reads and cancels jobs; hands out writers. Every method raises DependencyDown when NATS stays away."""

    def __init__(
        self, client: FrugalClient, config: LogConfig | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.client = client
        self.config = config or LogConfig()
        self._wire = StreamClient(client, self.config)
        self.lanes = Lanes(self._wire)
        self.clock = LogClock(now)
        self._monitor = Monitor(self._wire, self.clock, self.lanes.open_again)

    @stamina.retry(on=(NatsTimeout, NoRespondersError, ServiceUnavailableError), attempts=None, timeout=60, wait_max=2)
    async def ensure(self) -> None:
        """Creates or checks the stream, waiting up to a minute for a log that is not there yet; idempotent."""
        await ensure_stream(self.client.jetstream(), self.config)

    def watched(self) -> AbstractAsyncContextManager[None]:
        """Ensures the stream, and monitors it while the context lasts: it is created again when its store is lost.

        Entering waits for the log. Raises StreamMismatch, and OtherMesh when it is another mesh's.
        """
        return self._monitor.watching()

    @property
    def largest_event_bytes(self) -> int:
        """Largest event in bytes."""
        return self._wire.largest_event_bytes

    def check_carries(self, needed_bytes: int, setting: str) -> None:
        """Raises CannotStart unless nats-server accepts events as large as `setting` requires."""
        if self.largest_event_bytes < needed_bytes:
            raise CannotStart(
                f"nats-server carries messages of {self.client.max_payload} bytes, and {setting} needs"
                f" {needed_bytes + HEADERS_BYTES}: set max_payload = {needed_bytes + HEADERS_BYTES} or more in its"
                f" configuration (8 MB fit all defaults), or lower {setting}"
            )

    async def claim(self, database: str) -> None:
        """Binds the log to a mesh's database, by what the database calls itself; the first that comes has it.

        Raises OtherMesh when it is bound to another one: a mesh of the same id uses it.
        """
        await self._monitor.claim(database)

    async def check(self) -> None:
        """Raises DependencyDown while the log cannot be used, according to its monitor."""
        self._monitor.check()

    async def check_clock(self) -> None:
        """Raises DependencyDown while our clock and the log's are more than 5 s apart."""
        self.clock.check()

    async def ensure_consumer(self, durable: str, kinds: tuple[str, ...]) -> None:
        """Creates a durable consumer of some kinds of events, or brings it to this configuration; idempotent."""
        wanted = ConsumerConfig(
            name=durable,
            durable_name=durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.config.ack_wait_s,
            max_ack_pending=100_000,
            # Whoever handles an event tries until it has: nothing may fall out of the record.
            max_deliver=-1,
            deliver_policy=DeliverPolicy.ALL,
            filter_subjects=[f"{self.config.prefix}.*.*.{kind}" for kind in kinds],
        )
        await self._wire.ensure_consumer(wanted)

    async def accept(
        self, job_id: str, accepted: event_pb2.Accepted, max_in_flight: int = 10_000
    ) -> event_pb2.JobEvent:
        """Makes a job durable, in a lane of which workers hold at most `max_in_flight` jobs at once.

        Raises AlreadyAccepted when its key was used before, in any lane.
        """
        self._check_takes_jobs()
        # The lane comes first: a job in an unknown lane would wait for ever.
        await self.lanes.open(self._key(job_id).lane, max_in_flight)
        return await self._begin(job_id, accepted)

    async def answer(self, job_id: str, done: event_pb2.Done) -> event_pb2.JobEvent:
        """Records a job that was answered on acceptance: a single `done`, which must contain the envelope."""
        self._check_takes_jobs()
        return await self._begin(job_id, done)

    def writer(self, job_id: str, last_sequence: int) -> Writer:
        """Returns a writer that continues after `last_sequence`."""
        return Writer(self._wire, job_id, last_sequence)

    @asynccontextmanager
    async def follow(self, job_id: str, after_sequence: int = 0) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        """Subscribes, then yields the job's events after a position, stored and live, until `done`.

        Enter before accepting a job and nothing has to be replayed. The iteration raises JobGone when the log has
        nothing of the job.
        """
        key = self._key(job_id)
        feed = Feed()
        subscription = await self.client.listen(key.all_kinds(self.config.live_prefix), feed.put)
        try:
            yield Follower(self._wire, key.all_kinds(self.config.prefix), feed, after_sequence).events()
        finally:
            if not self.client.is_closed:
                await subscription.unsubscribe()

    async def events(self, job_id: str, after_sequence: int = 0) -> list[event_pb2.JobEvent]:
        """Returns what is stored now, in order."""
        subjects = self._key(job_id).all_kinds(self.config.prefix)
        while True:
            replay = self._wire.replay(subjects, after_sequence + 1, self.config.accept_timeout_s)
            found = [stored.event async for stored in replay]
            if self.config.replicas == 1 or (found and found[-1].HasField("done")):
                return found
            # The replica that answered may lag behind the leader.
            last = await self._wire.last(subjects, self.config.accept_timeout_s)
            if last is None or last.sequence <= (found[-1].sequence if found else after_sequence):
                return found
            await asyncio.sleep(LAG_S)

    async def last(self, job_id: str, kind: str = "") -> event_pb2.JobEvent | None:
        """Returns the job's last event, or the last one of a kind, as the leader knows it."""
        key = self._key(job_id)
        subjects = key.subject(self.config.prefix, kind) if kind else key.all_kinds(self.config.prefix)
        stored = await self._wire.last(subjects, self.config.accept_timeout_s)
        return stored.event if stored else None

    async def first(self, job_id: str) -> event_pb2.JobEvent | None:
        """Returns the job's first event, the one with the envelope, as the leader knows it."""
        subjects = self._key(job_id).all_kinds(self.config.prefix)
        stored = await self._wire.first(subjects, self.config.accept_timeout_s)
        return stored.event if stored else None

    async def depth(self, tenant: str) -> Depth:
        """Counts a tenant's waiting jobs, and those that workers hold. Up to three requests: cache it."""
        return await self.lanes.depth(tenant)

    async def fullness(self) -> float:
        """Returns how full the stream is, 0 to 1. A full one refuses every write."""
        info = await self._info()
        return float(info["state"]["bytes"] / info["config"]["max_bytes"])

    async def reach(self) -> Reach:
        """Returns how far back the log goes."""
        info = await self._info()
        oldest = info["state"]["first_ts"] if info["state"]["messages"] else info["ts"]
        return Reach(datetime.fromisoformat(info["created"]), datetime.fromisoformat(oldest))

    async def _info(self) -> dict[str, Any]:
        return await self._wire.api(f"STREAM.INFO.{self.config.stream}", {})

    async def request_cancel(self, job_id: str, message: str) -> event_pb2.JobEvent:
        """Ends a queued job, asks a running one to stop, leaves a finished one alone.

        Returns the event that stands last afterwards. Raises JobGone. A running job's writer may be faster between
        our read and our write; then we read again: its events come at the flush interval, our round trip is shorter.
        """
        while True:
            last = await self.last(job_id)
            if last is None or last.HasField("deleted"):
                raise JobGone
            if last.HasField("done") or last.HasField("cancel_requested"):
                return last
            queued = last.HasField("accepted")
            step = _cancelled(message) if queued else event_pb2.CancelRequested(message=message)
            try:
                return await self.writer(job_id, last.sequence).commit(step)
            except Fenced:
                continue

    async def jobs(self, tenant: str) -> AsyncIterator[str]:
        """Yields the ids of a tenant's jobs that are stored now and were not deleted, those of all its lanes."""
        for lane in lanes_of(tenant):
            for kind in ("accepted", "done"):  # a job answered as it was accepted has no `accepted`
                async for message in self._wire.messages(f"{self.config.prefix}.{lane}.*.{kind}", 1):
                    with suppress(DecodeError):  # what cannot be read is nobody's
                        event = from_message(message).event
                        # A lane's tag is too short to distinguish tenants with certainty.
                        if envelope_of(event).tenant == tenant:
                            yield event.job_id

    async def end_unread(self, job_id: str, done: event_pb2.Done) -> bool:
        """Ends a job whose log contains something that is not an event, unless it has ended already.

        Returns whether it was not over before. Raises Fenced.
        """
        last = await self._wire.standing(self._key(job_id).all_kinds(self.config.prefix))
        if last is None or last.kind in ("done", "deleted"):
            return False
        await self.writer(job_id, last.sequence).append(done)
        return True

    async def erase(self, job_id: str) -> None:
        """Removes a finished job from the log, except for a marker that keeps its key from being used again.

        The marker expires with the log's retention, as the job would have. A repeat completes an interrupted deletion.
        Raises Unfinished.
        """
        last = await self.last(job_id)
        if last is None:
            return
        if not last.HasField("deleted"):
            if not last.HasField("done"):
                raise Unfinished
            try:
                last = await self.writer(job_id, last.sequence).commit(event_pb2.Deleted())
            except Fenced as faster:
                if faster.last is None:
                    return
                last = faster.last
        await self._wire.purge(self._key(job_id).all_kinds(self.config.prefix), last.sequence)

    @asynccontextmanager
    async def cancel_signals(self) -> AsyncIterator[AsyncIterator[str]]:
        """Yields the ids of running jobs that are to be stopped, as it happens: only a hint, the log is
        authoritative.
        """
        subscription = await self.client.subscribe(f"{self.config.live_prefix}.*.*.cancel_requested")
        try:
            yield _job_ids(subscription.messages)
        finally:
            if not self.client.is_closed:
                await subscription.unsubscribe()

    async def _begin(self, job_id: str, step: Step) -> event_pb2.JobEvent:
        key = self._key(job_id)
        event = event_of(job_id, step)
        kind = "done" if isinstance(step, event_pb2.Done) else "accepted"
        everywhere = key.any_lane(self.config.prefix)
        while True:
            try:
                sequence = await self._wire.write(
                    key.subject(self.config.prefix, kind),
                    event,
                    0,
                    everywhere,
                    timeout_s=self.config.accept_timeout_s,
                )
            except WrongSequence:
                first = await self._wire.first(everywhere, self.config.accept_timeout_s)
                if first is None:
                    continue  # past retention between the two calls: the key is free again
                raise AlreadyAccepted(first.event) from None
            event.sequence = sequence
            return event

    def _check_takes_jobs(self) -> None:
        """Raises DependencyDown if waiting would not help."""
        self.clock.check()
        self._monitor.check_stores()

    def _key(self, job_id: str) -> JobKey:
        key = JobKey.parse(job_id)
        if key is None:
            raise JobGone
        return key


def _cancelled(message: str) -> event_pb2.Done:
    reason = message or "cancelled while it waited for a worker"
    return event_pb2.Done(
        state=job_pb2.JOB_STATE_CANCELLED,
        text_hash=text_hash(""),
        error=job_pb2.JobError(reason=error_pb2.ERROR_REASON_CANCELLED, message=reason),
    )


async def _job_ids(messages: AsyncIterator[Msg]) -> AsyncIterator[str]:
    async for message in messages:
        with suppress(DecodeError):  # a hint that says nothing
            yield event_pb2.JobEvent.FromString(message.data).job_id
