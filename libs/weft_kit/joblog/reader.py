"""Follows a job: live and stored events merged into one sequence without gaps or repeats.

Live first, then stored, then live again: whatever is committed between the two reads is in both, and sequences sort
it out. Each event names the one before it (its fence), so a live message that was lost shows in the next one; one
lost at the very end shows when silence is checked. A plain subscription to the stream's own subjects would also see
writes the stream refused: the republished subjects carry committed messages only.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from nats.aio.msg import Msg

from weft.job.v1 import event_pb2
from weft_kit.joblog.events.codec import StoredEvent, from_message
from weft_kit.joblog.stream.stream_client import StreamClient
from weft_kit.rpc.errors import DependencyDown

# A replica that answers direct reads may trail the leader for a moment.
LAG_S = 0.05
# Who ends the jobs of a lost log needs less.
_LOST_AFTER_S = 60.0


class JobGone(Exception):
    """The log has nothing of this job: it never existed, is past retention, or was deleted."""


class Feed:
    """Collects live messages of one job for one reader."""

    def __init__(self) -> None:
        self._waiting: deque[Msg] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put(self, message: Msg) -> None:
        self._waiting.append(message)
        self._wake()

    def begins_the_job(self) -> bool:
        """Returns whether the first live message waiting is the job's first event, so that nothing was missed."""
        return bool(self._waiting) and from_message(self._waiting[0]).previous == 0

    async def next(self, timeout_s: float) -> StoredEvent | None:
        """Returns the next live event, or None after `timeout_s` of silence."""
        if not self._waiting:
            # A plain timer: a queue and asyncio.timeout cost ten times as much, at every event of every stream.
            loop = asyncio.get_running_loop()
            self._reader = loop.create_future()
            silence = loop.call_later(timeout_s, self._wake)
            try:
                await self._reader
            finally:
                silence.cancel()
                self._reader = None
        return from_message(self._waiting.popleft()) if self._waiting else None

    def _wake(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)


class Follower:
    """One reader's progress through one job, from `after` (exclusive) to `done`."""

    def __init__(self, wire: StreamClient, subjects: str, feed: Feed, after: int) -> None:
        self._wire = wire
        self._subjects = subjects
        self._feed = feed
        self._last = after
        self._done = False
        self._torn = False
        self._log_number = wire.log_number
        self._silences = 0

    async def events(self) -> AsyncIterator[event_pb2.JobEvent]:
        """Yields events in order; ends after `done`. Raises JobGone when the log has nothing of the job."""
        if self._last or not self._feed.begins_the_job():
            async for event in self._so_far():
                yield event
        while not self._done:
            live = await self._feed.next(self._wire.config.idle_check_s)
            if live is None and self._log_number != self._wire.log_number:
                async for event in self._look_in_new_log():
                    yield event
            elif live is None or self._misses_events_before(live):
                async for event in self._close_gap(live):
                    yield event
            elif self._may_pass(live):
                yield self._passed(live)

    def _misses_events_before(self, live: StoredEvent) -> bool:
        return not self._torn and self._last < live.previous

    def _may_pass(self, stored: StoredEvent) -> bool:
        """Once deltas have expired the rest tells a torn story: then only `done`, which is whole, is passed.

        An end may come with a lower sequence: that of a new log, when the one that we read was lost.
        """
        is_end = stored.event.HasField("done") or stored.event.HasField("deleted")
        return is_end or (stored.sequence > self._last and not self._torn)

    def _passed(self, stored: StoredEvent) -> event_pb2.JobEvent:
        if stored.event.HasField("deleted"):
            raise JobGone
        self._last = stored.sequence
        self._done = stored.event.HasField("done")
        return stored.event

    async def _catch_up(self) -> AsyncIterator[event_pb2.JobEvent]:
        """Replays what is stored after the last event passed."""
        async for stored in self._wire.replay(self._subjects, self._last + 1):
            self._torn = self._torn or stored.previous > self._last
            if self._may_pass(stored):
                yield self._passed(stored)

    async def _close_gap(self, live: StoredEvent | None) -> AsyncIterator[event_pb2.JobEvent]:
        """Fetches events missing from the live messages; `live` is None if silence was the reason to look."""
        while True:
            async for event in self._catch_up():
                yield event
            if live is None or self._done or not self._misses_events_before(live):
                break
            await asyncio.sleep(LAG_S)
        if live is not None and not self._done and self._may_pass(live):
            yield self._passed(live)

    async def _look_in_new_log(self) -> AsyncIterator[event_pb2.JobEvent]:
        """Passes the end of a job whose log was lost, once that is written: who keeps the record of jobs does so."""
        last = await self._wire.last(self._subjects)
        if last is not None and last.event.HasField("done"):
            yield self._passed(last)
        self._silences += 1
        if last is None and self._silences * self._wire.config.idle_check_s > _LOST_AFTER_S:
            raise DependencyDown("nats", "the log lost this job with its store, and nobody has a record of it")

    async def _so_far(self) -> AsyncIterator[event_pb2.JobEvent]:
        """Replays until the leader has nothing further, which a replica may learn a moment later.

        Tells a reader that has seen everything, or asks for nothing that exists, from one that must wait.
        """
        while not self._done:
            before = self._last
            async for event in self._catch_up():
                yield event
            if self._done:
                return
            last = await self._wire.last(self._subjects)
            if last is None or last.event.HasField("deleted"):
                raise JobGone
            if last.event.HasField("done") and last.sequence < self._last:
                yield self._passed(last)  # our position is one of a log that was lost
                return
            if self._torn or last.sequence <= self._last:
                self._done = last.event.HasField("done") and last.sequence <= self._last
                return
            if self._last == before:
                await asyncio.sleep(LAG_S)
