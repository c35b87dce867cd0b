"""Lanes: a queue for each tenant and priority, so that waiting jobs can be counted, and no tenant waits behind another.

Each lane is a durable consumer of its own. The server thereby keeps three things exact without a second store: which
jobs of a tenant are queued, how many are in workers' hands, and that those never pass their limit.
"""

import asyncio
import time
from dataclasses import dataclass

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from weft_kit.joblog.events.ids import is_lane, lanes_of
from weft_kit.joblog.stream.stream_client import StreamClient

_PREFIX = "lane-"
_NOT_FOUND = 10014
# A lane that an operator removed by hand comes back with the tenant's next job after as long.
_REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True)
class Depth:
    """Numbers of waiting jobs, and of jobs that workers hold."""

    queued: int = 0
    in_flight: int = 0

    @property
    def unfinished(self) -> int:
        return self.queued + self.in_flight


def consumer_of(lane: str) -> str:
    """Returns the name of a lane's consumer."""
    return f"{_PREFIX}{lane}"


def lane_in(consumer: str) -> str | None:
    """Returns the lane whose consumer this is; None when it is another reader's."""
    lane = consumer.removeprefix(_PREFIX)
    return lane if lane != consumer and is_lane(lane) else None


class Lanes:
    """Opens lanes before jobs enter them, and inspects them. Raises DependencyDown when NATS stays down."""

    def __init__(self, wire: StreamClient) -> None:
        self._wire = wire
        self._opened: dict[str, tuple[int, float]] = {}
        self._opening = asyncio.Lock()

    async def open(self, lane: str, max_in_flight: int) -> None:
        """Makes sure that a lane is there with this limit. Idempotent, remembered, cheap."""
        if self._is_open(lane, max_in_flight):
            return
        async with self._opening:
            if not self._is_open(lane, max_in_flight):
                await self._create(lane, max_in_flight)
                self._opened[lane] = max_in_flight, time.monotonic()

    async def open_again(self) -> None:
        """Opens the lanes known as open in a new log: jobs may have entered them already."""
        for lane, (limit, at) in tuple(self._opened.items()):
            if time.monotonic() - at < _REMEMBERED_S:
                await self._create(lane, limit)

    async def names(self) -> list[str]:
        """Returns all lanes."""
        lanes: list[str] = []
        offset = 0
        while True:
            answer = await self._wire.api(f"CONSUMER.NAMES.{self._wire.config.stream}", {"offset": offset})
            found = answer.get("consumers") or []
            lanes += [lane for name in found if (lane := lane_in(name))]
            offset += len(found)
            if not found or offset >= answer.get("total", 0):
                return lanes

    async def depth(self, tenant: str) -> Depth:
        """Returns a tenant's jobs in all of its lanes."""
        depths = await asyncio.gather(*map(self._depth, lanes_of(tenant)))
        return Depth(sum(depth.queued for depth in depths), sum(depth.in_flight for depth in depths))

    async def _depth(self, lane: str) -> Depth:
        question = f"CONSUMER.INFO.{self._wire.config.stream}.{consumer_of(lane)}"
        answer = await self._wire.api(question, {}, expected=(_NOT_FOUND,))
        return Depth(answer.get("num_pending", 0), answer.get("num_ack_pending", 0))

    def _is_open(self, lane: str, max_in_flight: int) -> bool:
        limit, at = self._opened.get(lane, (0, 0.0))
        return limit == max_in_flight and time.monotonic() - at < _REMEMBERED_S

    async def _create(self, lane: str, max_in_flight: int) -> None:
        config = self._wire.config
        wanted = ConsumerConfig(
            name=consumer_of(lane),
            durable_name=consumer_of(lane),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=config.ack_wait_s,
            max_ack_pending=max_in_flight,
            # Attempts are counted by the worker, which can say in the record why it gave up; the server cannot.
            max_deliver=-1,
            # A lane that was removed by mistake finds its jobs again; workers pass over those that are done.
            deliver_policy=DeliverPolicy.ALL,
            filter_subject=f"{config.prefix}.{lane}.*.accepted",
        )
        await self._wire.ensure_consumer(wanted)
