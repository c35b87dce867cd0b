"""A job's stream that survives its connection: it resumes where it broke, on any replica that answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from weft.job.v1 import event_pb2
from weft_client.observer import Observer
from weft_client.retry import Patience
from weft_client.streams import Events, Streams
from weft_client.transcript import Token, Transcript


class Generation:
    """Iterate it once for the tokens; `text`, `reasoning`, `job_id` and `done` grow as it runs.

    Args:
        begin: opens the first stream, again and again until an event comes. Its request must carry a request id, so
            that it is always the same job.
        resume: opens a later stream, given the job id and the sequence to continue after.
        patience: how long to retry without a sign of life; see WeftClient.
        observer: is notified of every event, and of what the client waits for.
    """

    def __init__(
        self,
        begin: Callable[[], Events],
        resume: Callable[[str, int], Events],
        *,
        after_sequence: int = 0,
        patience: Patience | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._begin = begin
        self._resume = resume
        self._streams = Streams(self._open, self._is_over, patience or Patience(30.0), observer or Observer())
        self._transcript = Transcript(after_sequence)

    @property
    def job_id(self) -> str:
        """The job's id; empty until the first event."""
        return self._transcript.job_id

    @property
    def text(self) -> str:
        """The text so far; the whole answer once `done` is set."""
        return self._transcript.text

    @property
    def reasoning(self) -> str:
        """The model's reasoning so far, if its provider shows it; not part of `text`."""
        return self._transcript.reasoning

    @property
    def done(self) -> event_pb2.Done | None:
        """The job's end, None before; check its state, which may be FAILED."""
        return self._transcript.done

    @property
    def last_sequence(self) -> int:
        """The sequence after which another reader can resume."""
        return self._transcript.last_sequence

    async def __aiter__(self) -> AsyncIterator[Token]:
        """Yields tokens until the job is done.

        Raises:
            OutOfPatience: no gateway answers properly; if `job_id` is empty, the job may or may not have been accepted.
            WeftError: the call was refused.
            CorruptAnswer: the text does not match its hash.
        """
        if self.done is not None:
            return
        async with aclosing(self._streams.events(self.last_sequence)) as events:
            async for event in events:
                if token := self._transcript.apply(event):
                    yield token

    async def _is_over(self) -> bool:
        """Returns whether the job had ended before the requested position, so that no event comes."""
        return not self.job_id and self.last_sequence > 0

    def _open(self) -> Events:
        return self._resume(self.job_id, self.last_sequence) if self.job_id else self._begin()
