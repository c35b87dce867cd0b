"""Standing requests to one durable consumer: as many messages are on their way as were asked for, and no more.

nats-py's fetch costs two round trips an idle poll and cannot top up; this is the continuous pull of the newer
clients (ADR-37): requests that stand until they are used up, with heartbeats that show a lost one.
"""

import asyncio
import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from nats.aio.msg import Msg

from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.settings import LogConfig

if TYPE_CHECKING:
    from nats.aio.subscription import Subscription

EXPIRES_S = 30
HEARTBEAT_S = 5
_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0


class Pull:
    """One worker's requests to one consumer.

    `arrived` is called with each message, `lapsed` when requests ended unused and may be made again. While the consumer
    is not there they may be after a quarter of the time it has been away, 0.1 to 10 s, or when told to `wake`.
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
        self._gone_since: float | None = None
        self._pause: asyncio.TimerHandle | None = None
        self.asked = 0
        """Messages asked for that have not come."""

    async def open(self) -> None:
        self._subscription = await self._client.listen(self._inbox, self._take)
        self._client.on_reconnect(self._forget)

    async def close(self) -> None:
        self._client.forget_reconnect(self._forget)
        self._end_pause()
        if self._subscription and not self._client.is_closed:
            await self._subscription.unsubscribe()
        self._subscription = None
        self.asked = 0

    @property
    def is_gone(self) -> bool:
        """Whether the consumer was not there when it was asked last."""
        return self._gone_since is not None

    def wake(self) -> None:
        """Ends a pause: the consumer may be there again."""
        if self._end_pause():
            self._lapsed()

    async def ask(self, messages: int) -> None:
        if self._subscription is None or self._pause or not self._client.is_connected:
            return  # the reconnect, or the end of the pause, asks anew
        self.asked += messages
        self._heard = asyncio.get_running_loop().time()
        query = {"batch": messages, "expires": EXPIRES_S * 10**9, "idle_heartbeat": HEARTBEAT_S * 10**9}
        await self._client.publish(self._subject, json.dumps(query).encode(), reply=self._inbox)

    def forget_if_silent(self) -> None:
        """Without heartbeats the requests died with a server: lets them be made anew."""
        if self.asked and asyncio.get_running_loop().time() - self._heard > 2 * HEARTBEAT_S:
            self._forget()

    def _forget(self) -> None:
        self._end_pause()
        self.asked = 0
        self._lapsed()

    def _end_pause(self) -> bool:
        pause, self._pause = self._pause, None
        if pause:
            pause.cancel()
        return pause is not None

    def _gone(self) -> None:
        """Waits before it asks again: nobody answers for the consumer, which comes back with its leader, or never."""
        loop = asyncio.get_running_loop()
        if self._gone_since is None:
            self._gone_since = loop.time()
        away_s = loop.time() - self._gone_since
        pause_s = min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, away_s / 4)) * random.uniform(0.5, 1)  # noqa: S311  # jitter
        self._end_pause()
        self._pause = loop.call_later(pause_s, self.wake)

    def _take(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        status = (message.headers or {}).get("Status")
        if status == "503":
            self.asked = 0
            self._gone()
            return
        self._gone_since = None
        if status is None:
            # A request forgotten too early may still be answered.
            self.asked = max(0, self.asked - 1)
            self._arrived(message)
        elif status != "100":  # 408 expired, 409 consumer changed or server leaving: the rest will not come
            unused = (message.headers or {}).get("Nats-Pending-Messages")
            self.asked = max(0, self.asked - int(unused)) if unused else 0
            self._lapsed()
