"""A job's events over as many streams as needed: each resumes where the previous one broke."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing

from weft.job.v1 import event_pb2
from weft_client.observer import Observer
from weft_client.retry import Patience, is_silence, silent
from weft_kit.rpc.errors import DependencyDown, WeftError
from weft_kit.time_limits import time_limit

Events = AbstractAsyncContextManager[AsyncIterator[event_pb2.JobEvent]]
"""A stream; entered once a gateway has confirmed that it knows the job."""

# A stream that broke sooner does not count as served, or a job that crashes its gateway would be requested for ever.
_SERVED_S = 1.0
# The same if the gateway reports a service behind it as down, which it notices in a silent stream within 40 s.
_SERVED_IN_FULL_S = 60.0


class Streams:
    """Opens stream after stream with `open_stream`, each resuming after what was read.

    `is_over` is called when a stream ends normally without `done`; it returns whether there is nothing more to read.
    """

    def __init__(
        self,
        open_stream: Callable[[], Events],
        is_over: Callable[[], Awaitable[bool]],
        patience: Patience,
        observer: Observer,
    ) -> None:
        self._open = open_stream
        self._is_over = is_over
        self._patience = patience
        self._observer = observer
        self._answered_at: float | None = None
        self._done = False

    async def events(self, last_sequence: int = 0) -> AsyncGenerator[event_pb2.JobEvent, None]:
        """Yields events after a position, each once, until `done`.

        Raises:
            OutOfPatience: no gateway answers properly.
            WeftError: the call was refused.
        """
        while True:
            failure: WeftError = DependencyDown("gateway", "the stream ended before the job was done; read it again")
            try:
                async with aclosing(self._stream()) as events:
                    async for event in events:
                        if event.sequence > last_sequence:
                            last_sequence = event.sequence
                            self._patience.heard()
                            self._observer.on_answer(event)
                            yield event
                if self._done or await self._is_over():
                    return
            except WeftError as error:
                failure = error
            if self._done:
                return
            if self._was_served(failure):
                self._patience.heard()
            else:
                self._observer.on_failure(failure)
            await self._patience.outlast(failure)

    async def _stream(self) -> AsyncGenerator[event_pb2.JobEvent, None]:
        now = asyncio.get_running_loop().time
        self._answered_at = None
        self._observer.on_call()
        async with AsyncExitStack() as stack:
            async with time_limit(self._patience.try_s(now()), silent):
                events = await stack.enter_async_context(self._open())
            self._answered_at = now()
            async for event in events:
                self._done = event.HasField("done")
                yield event

    def _was_served(self, failure: WeftError) -> bool:
        """Returns whether a gateway served the last stream, even silently: a job may wait for hours."""
        if self._answered_at is None:
            return False
        open_s = asyncio.get_running_loop().time() - self._answered_at
        return was_served(failure, open_s)


def was_served(failure: WeftError, open_s: float) -> bool:
    """Returns whether a stream that broke this long after its first answer counts as served."""
    blames_another = "dependency" in failure.metadata and not is_silence(failure)
    return open_s >= (_SERVED_IN_FULL_S if blames_another else _SERVED_S)
