"""Standing requests to one durable consumer: as many messages are on their way as were asked for, and no more.

nats-py's fetch costs two round trips an idle poll and cannot top up; this is the continuous pull of the newer
clients (ADR-37): requests that stand until they are used up, with heartbeats that show a lost one.
"""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from nats.aio.msg import Msg

from weft_kit.joblog.connection import FrugalClient
from weft_kit.joblog.settings import LogConfig

if TYPE_CHECKING:
    from nats.aio.subscription import Subscription

EXPIRES_S = 30
HEARTBEAT_S = 5


class Pull:
    """One worker's requests to one consumer.

    `arrived` is called with each message, `lapsed` when requests ended unused and may be made again.
    """

    def __init__(
        self,
        client: FrugalClient,
        config: LogConfig,
        durable: str,
        arrived: Callable[[Msg], None],
        lapsed: Callable[[], None],
    ) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{config.stream}.{durable}"
        self._arrived = arrived
        self._lapsed = lapsed
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._heard = 0.0
        self.asked = 0
        """Messages asked for that have not come."""

    async def open(self) -> None:
        self._subscription = await self._client.subscribe(self._inbox, cb=self._take)
        self._client.on_reconnect(self._forget)

    async def close(self) -> None:
        self._client.forget_reconnect(self._forget)
        if self._subscription and not self._client.is_closed:
            await self._subscription.unsubscribe()
        self._subscription = None

    async def ask(self, messages: int) -> None:
        if self._subscription is None or not self._client.is_connected:
            return  # the reconnect asks anew
        self.asked += messages
        self._heard = asyncio.get_running_loop().time()
        query = {"batch": messages, "expires": EXPIRES_S * 10**9, "idle_heartbeat": HEARTBEAT_S * 10**9}
        await self._client.publish(self._subject, json.dumps(query).encode(), reply=self._inbox)

    def forget_if_silent(self) -> None:
        """Without heartbeats the requests died with a server: lets them be made anew."""
        if self.asked and asyncio.get_running_loop().time() - self._heard > 2 * HEARTBEAT_S:
            self._forget()

    def _forget(self) -> None:
        self.asked = 0
        self._lapsed()

    async def _take(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        status = (message.headers or {}).get("Status")
        if status is None:
            # A request forgotten too early may still be answered.
            self.asked = max(0, self.asked - 1)
            self._arrived(message)
        elif status != "100":  # 408 expired, 409 consumer changed or server leaving: the rest will not come
            unused = (message.headers or {}).get("Nats-Pending-Messages")
            self.asked = max(0, self.asked - int(unused)) if unused else 0
            self._lapsed()
