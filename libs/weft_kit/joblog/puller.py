"""A pull consumer that keeps asking: exactly as many messages are on their way as there are places for them.

nats-py's fetch costs two round trips an idle poll and cannot top up; this is the continuous pull of the newer
clients (ADR-37): one standing request, topped up as places free, with heartbeats that show a lost one.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from weft_kit.joblog.settings import LogConfig

EXPIRES_S = 30
HEARTBEAT_S = 5


async def ensure_consumer(client: Client, config: LogConfig, durable: str, kinds: tuple[str, ...]) -> None:
    """Creates the durable consumer or brings it to this configuration; idempotent."""
    wanted = ConsumerConfig(
        durable_name=durable,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=config.ack_wait_s,
        max_ack_pending=100_000,
        # Attempts are counted by the worker, which can say in the record why it gave up; the server cannot.
        max_deliver=-1,
        deliver_policy=DeliverPolicy.ALL,
        filter_subjects=[f"{config.prefix}.*.*.{kind}" for kind in kinds],
    )
    await client.jetstream().add_consumer(config.stream, config=wanted)


class Puller:
    """Messages of one durable consumer, at most `places` unreleased at any time."""

    def __init__(self, client: Client, config: LogConfig, durable: str, places: int) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{config.stream}.{durable}"
        self._places = places
        self._taken = 0
        self._asked = 0
        # None in the queue asks for a top-up.
        self._queue: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._heard = 0.0
        self._inbox = client.new_inbox()
        self._closed = False

    @asynccontextmanager
    async def messages(self) -> AsyncIterator[AsyncIterator[Msg]]:
        """Yields the messages as they come; leaving the block asks for no more."""
        subscription = await self._client.subscribe(self._inbox, cb=self._arrive)
        try:
            await self._ask()
            yield self._each()
        finally:
            self._closed = True
            if not self._client.is_closed:
                await subscription.unsubscribe()

    def release(self) -> None:
        """Gives a place back; the next message may come."""
        self._taken -= 1
        # Topping up one by one would cost a request a message.
        if self._places - self._taken - self._asked >= max(1, self._places // 4):
            self._queue.put_nowait(None)

    def ready(self) -> Msg | None:
        """Returns a message that is already here, or None."""
        while not self._queue.empty():
            message = self._queue.get_nowait()
            if message is not None:
                return message
        return None

    async def _arrive(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        status = (message.headers or {}).get("Status")
        if status is None:
            self._asked -= 1
            self._taken += 1
        elif status == "100":
            return
        else:  # 408 expired, 409 consumer changed or server leaving: the rest of that request will not come
            unused = (message.headers or {}).get("Nats-Pending-Messages")
            self._asked = max(0, self._asked - int(unused)) if unused else 0
        self._queue.put_nowait(message if status is None else None)

    async def _each(self) -> AsyncIterator[Msg]:
        while True:
            try:
                async with asyncio.timeout(2 * HEARTBEAT_S):
                    message = await self._queue.get()
            except TimeoutError:
                self._forget_lost_requests()
                message = None
            if message is None:
                await self._ask()
            else:
                yield message

    def _forget_lost_requests(self) -> None:
        """Without heartbeats the standing requests died with a server or a connection: ask anew."""
        if asyncio.get_running_loop().time() - self._heard > 2 * HEARTBEAT_S:
            self._asked = 0

    async def _ask(self) -> None:
        wanted = self._places - self._taken - self._asked
        if wanted <= 0 or self._closed:
            return
        self._asked += wanted
        query = {"batch": wanted, "expires": EXPIRES_S * 10**9, "idle_heartbeat": HEARTBEAT_S * 10**9}
        await self._client.publish(self._subject, json.dumps(query).encode(), reply=self._inbox)
