"""Messages of one durable consumer, pulled continuously."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg

from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.connection.pull import HEARTBEAT_S, Pull
from weft_kit.joblog.settings import LogConfig
from weft_kit.rpc.errors import DependencyDown


class Puller:
    """Messages of one durable consumer, at most `places` unreleased at any time.

    `ensure` makes the consumer: before the first message, and again whenever it turns out to be gone.
    """

    def __init__(
        self,
        client: FrugalClient,
        config: LogConfig,
        durable: str,
        places: int,
        ensure: Callable[[], Awaitable[None]],
    ) -> None:
        # None in the queue asks for a top-up.
        self._queue: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._pull = Pull(client, config, durable, self._arrived, self._lapsed)
        self._places = places
        self._ensure = ensure
        self._taken = 0

    @asynccontextmanager
    async def messages(self) -> AsyncIterator[AsyncIterator[Msg]]:
        """Yields the messages as they come; leaving the block asks for no more."""
        await self._ensure()
        await self._pull.open()
        try:
            await self._top_up()
            yield self._each()
        finally:
            await self._pull.close()

    def release(self) -> None:
        """Gives a place back; the next message may come."""
        self._taken -= 1
        # Topping up one by one would cost a request a message.
        if self._free() >= max(1, self._places // 4):
            self._queue.put_nowait(None)

    def ready(self) -> Msg | None:
        """Returns a message that is already here, or None."""
        while not self._queue.empty():
            message = self._queue.get_nowait()
            if message is not None:
                return message
        return None

    async def _each(self) -> AsyncIterator[Msg]:
        while True:
            try:
                async with asyncio.timeout(2 * HEARTBEAT_S):
                    message = await self._queue.get()
            except TimeoutError:
                self._pull.forget_if_silent()
                message = None
            if message is None:
                if self._pull.is_gone:
                    with suppress(DependencyDown):
                        await self._ensure()
                await self._top_up()
            else:
                yield message

    async def _top_up(self) -> None:
        if (free := self._free()) > 0:
            await self._pull.ask(free)

    def _free(self) -> int:
        return self._places - self._taken - self._pull.asked

    def _arrived(self, message: Msg) -> None:
        self._taken += 1
        self._queue.put_nowait(message)

    def _lapsed(self) -> None:
        self._queue.put_nowait(None)
