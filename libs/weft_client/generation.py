"""A job's stream that survives its connection: it goes on where it broke off, on whatever replica answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import grpc

from weft.job.v1 import event_pb2
from weft_client.transcript import Token, Transcript
from weft_kit.errors import DependencyDown, WeftError

Events = AbstractAsyncContextManager[AsyncIterator[event_pb2.JobEvent]]
_WAIT_S = 0.2
_LONGEST_WAIT_S = 2.0


class Generation:
    """Iterate it once for the tokens; `text`, `job_id` and `done` grow with them.

    Args:
        begin: opens the first stream.
        resume: opens a later one, from a job id and the sequence to go on after.
        patience_s: how long it keeps trying after the last event before it raises.
    """

    def __init__(
        self,
        begin: Callable[[], Events],
        resume: Callable[[str, int], Events],
        *,
        after_sequence: int = 0,
        patience_s: float = 30.0,
    ) -> None:
        self._begin = begin
        self._resume = resume
        self._patience_s = patience_s
        self._transcript = Transcript(after_sequence)

    @property
    def job_id(self) -> str:
        """Empty until the first event."""
        return self._transcript.job_id

    @property
    def text(self) -> str:
        """What stands so far; the whole answer once `done` is set."""
        return self._transcript.text

    @property
    def done(self) -> event_pb2.Done | None:
        """The job's end; look at its state: it may be FAILED."""
        return self._transcript.done

    @property
    def last_sequence(self) -> int:
        """Where another reader could go on."""
        return self._transcript.last_sequence

    async def __aiter__(self) -> AsyncIterator[Token]:
        """Yields tokens until the job is done.

        Raises:
            WeftError: the call was refused, or the gateway stays away.
            CorruptAnswer: the text does not match its hash.
        """
        now = asyncio.get_running_loop().time
        heard, wait_s = now(), _WAIT_S
        while self.done is None:
            try:
                async with self._open() as events:
                    async for event in events:
                        heard, wait_s = now(), _WAIT_S
                        if token := self._transcript.apply(event):
                            yield token
                if not self.job_id and self.last_sequence:
                    return  # The job was over before the position that was asked for.
                failure: WeftError = DependencyDown(
                    "gateway", "the stream ended before the job was done; read it again"
                )
            except WeftError as error:
                failure = error
            if self.done is not None:
                return
            if not self._may_resume(failure) or now() - heard > self._patience_s:
                raise failure
            await asyncio.sleep(failure.retry_after_s or wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _open(self) -> Events:
        return self._resume(self.job_id, self.last_sequence) if self.job_id else self._begin()

    def _may_resume(self, failure: WeftError) -> bool:
        """Before the first event there is nothing to go on with: whether to ask again is the caller's choice."""
        return bool(self.job_id) and failure.status is grpc.StatusCode.UNAVAILABLE
