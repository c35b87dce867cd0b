"""What happens to a job whose caller disconnects before its end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
from prometheus_client import Counter

from weft.gateway.v1 import gateway_pb2 as pb
from weft_gateway.jobs.readers import OpenReader, Readers
from weft_kit.joblog import JobGone, JobLog
from weft_kit.rpc.errors import DependencyDown, InvalidFields
from weft_kit.rpc.interceptor import is_sent_away
from weft_kit.rpc.time import seconds_of
from weft_kit.tasks import TaskSet

CANCELLED = Counter("weft_gateway_left_jobs_cancelled", "Jobs cancelled because their callers had left.")

_SHORTEST_S, _LONGEST_S = 1.0, 3_600.0
_ASK_AGAIN_S: Final = 1.0
_MESSAGE: Final = "the caller left and had asked for this"


def read_patience_s(request: pb.GenerateRequest) -> float | None:
    """Returns how long a job runs on while nobody reads it: 0 for CANCEL, None (for ever) for DETACH.

    Raises InvalidFields.
    """
    if request.on_disconnect != pb.ON_DISCONNECT_DETACH_FOR:
        if request.HasField("detach_for"):
            raise InvalidFields({"detach_for": "may only be set with DETACH_FOR"})
        return 0.0 if request.on_disconnect == pb.ON_DISCONNECT_CANCEL else None
    patience_s = seconds_of(request.detach_for)
    if not request.HasField("detach_for") or not _SHORTEST_S <= patience_s <= _LONGEST_S:
        found = f"is {patience_s:g} s" if request.HasField("detach_for") else "is not set"
        raise InvalidFields({"detach_for": f"must be {_SHORTEST_S:g} s to 1 h with DETACH_FOR, {found}"})
    return patience_s


class Disconnects:
    """Cancels jobs as requested by callers that disconnected.

    The waiting time is kept only in this process: if the gateway shuts down or dies it is lost, and the job runs on to
    its end. A cancellation that has begun is finished before the gateway stops.
    """

    def __init__(self, log: JobLog, readers: Readers) -> None:
        self._log = log
        self._readers = readers
        self._waiting = TaskSet()
        self._cancelling = TaskSet()
        self._lines = structlog.get_logger()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Keeps cancellations running that disconnects have triggered, while the block lasts."""
        try:
            yield
        finally:
            await self._waiting.drop()
            await self._cancelling.finish()

    @contextmanager
    def minded(self, job_id: str, patience_s: float | None, reading: OpenReader) -> Iterator[None]:
        """Acts if a cancellation ends the block before the job's end.

        A cancellation is the caller's doing (it cancelled, its deadline passed, its connection broke) unless this
        server is draining; a failure inside the block is not a disconnect.
        """
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            if patience_s is not None and not reading.over and not is_sent_away():
                self._left(job_id, patience_s)
            raise

    def _left(self, job_id: str, patience_s: float) -> None:
        if patience_s:
            self._waiting.start(self._wait(job_id, patience_s))
        else:
            self._cancelling.start(self._cancel(job_id))

    async def _wait(self, job_id: str, patience_s: float) -> None:
        unread_s = 0.0
        while unread_s < patience_s:
            await asyncio.sleep(patience_s - unread_s)
            unread_s = await self._unread_s(job_id, patience_s)
        self._cancelling.start(self._cancel(job_id))

    async def _unread_s(self, job_id: str, patience_s: float) -> float:
        try:
            last_read_s = await self._readers.last_read_s(job_id)
        except DependencyDown:
            # Better a job that runs too long than one cancelled while it is read.
            return patience_s - min(patience_s, _ASK_AGAIN_S)
        return patience_s if last_read_s is None else last_read_s

    async def _cancel(self, job_id: str) -> None:
        try:
            await self._log.request_cancel(job_id, _MESSAGE)
        except JobGone:
            return
        except DependencyDown as error:
            self._lines.warning("a job whose caller left runs on", job_id=job_id, error=error.message)
        else:
            CANCELLED.inc()
