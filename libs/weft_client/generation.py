"""A job's stream that survives its connection: it goes on where it broke off, on whatever replica answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from weft.job.v1 import event_pb2
from weft_client.patience import Patience, is_silence
from weft_client.transcript import Token, Transcript
from weft_kit.errors import DependencyDown, WeftError

Events = AbstractAsyncContextManager[AsyncIterator[event_pb2.JobEvent]]

# A gateway that refuses does so at once; where none answers, gRPC tries to connect for 20 s.
_ALIVE_S = 1.0
_CONNECTED_S = 25.0


class Generation:
    """Iterate it once for the tokens; `text`, `reasoning`, `job_id` and `done` grow with them.

    Args:
        begin: opens the first stream, and opens it again as long as no event came. It must carry a request id, so
            that every time it is the same job.
        resume: opens a later one, from a job id and the sequence to go on after.
        patience_s: how long gateways may stay away, or refuse as UNAVAILABLE, before it raises.
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
        self._patience = Patience(patience_s)
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
    def reasoning(self) -> str:
        """What the model thought so far, as far as its provider shows it; no part of `text`."""
        return self._transcript.reasoning

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
            WeftError: the call was refused, or the gateways stay away.
            CorruptAnswer: the text does not match its hash.
        """
        now = asyncio.get_running_loop().time
        while self.done is None:
            opened = now()
            try:
                async with self._open() as events:
                    async for event in events:
                        if event.sequence > self.last_sequence:
                            self._patience.heard()
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
            if was_alive(failure, now() - opened):
                self._patience.heard()
            await self._patience.outlast(failure)

    def _open(self) -> Events:
        return self._resume(self.job_id, self.last_sequence) if self.job_id else self._begin()


def was_alive(failure: WeftError, open_s: float) -> bool:
    """Tells whether a gateway served this stream, if only silence: a job may wait for hours without an event."""
    return open_s >= (_CONNECTED_S if is_silence(failure) else _ALIVE_S)
