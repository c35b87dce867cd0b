"""The jobs of all lanes, as one worker sees them: the next job of each is prefetched, and tenants take turns.

Every lane has a request standing, so a job that enters any of them is here a moment later. While slots are free a lane
that has more gets more; while all are taken each lane's next job is held here, and kept alive, until its turn comes.

A tenant's turn serves its most urgent lane. Its priorities are nothing to other tenants, unless it is expedited.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from nats.aio.msg import Msg

from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.connection.pull import Pull
from weft_kit.joblog.events.ids import HIGH, tag_of, urgency
from weft_kit.joblog.lanes import Lanes, consumer_of, lane_in
from weft_kit.joblog.queue.fair_queue import FairQueue
from weft_kit.joblog.settings import LogConfig
from weft_kit.rpc.errors import DependencyDown

# Lanes announce themselves; this finds those whose announcement was lost.
_LOOK_EVERY_S = 10.0
_MOST_STANDING = 16
_MOST_AHEAD = 32


@dataclass(slots=True)
class _Lane:
    name: str
    held: deque[Msg] = field(default_factory=deque)
    backlog: int = 0
    """Jobs that wait in the log, according to the last one that arrived."""

    @property
    def tenant(self) -> str:
        return tag_of(self.name)


class Dispatcher:
    """Jobs of all lanes, at most `slots` of them taken and not released at any time.

    `is_expedited` says of a tenant's tag whether its jobs of priority HIGH go before everybody's. `arrived` hears of
    each delivery, by its id, as soon as it is here.
    """

    def __init__(
        self,
        client: FrugalClient,
        config: LogConfig,
        lanes: Lanes,
        slots: int,
        turns: FairQueue,
        is_expedited: Callable[[str], bool],
        arrived: Callable[[str], None],
    ) -> None:
        self._client = client
        self._config = config
        self._known = lanes
        self._slots = slots
        self._turns = turns
        self._is_expedited = is_expedited
        self._tell = arrived
        self._lanes: dict[str, _Lane] = {}
        self._lanes_of: dict[str, list[_Lane]] = {}
        """Of each tenant, the most urgent first."""
        self._pulls: dict[str, Pull] = {}
        self._holding: dict[str, dict[int, _Lane]] = {}
        """Of each tenant, by urgency, the lanes that hold a job."""
        self._short: dict[str, _Lane] = {}
        self._taken = 0
        self._held = 0
        self._backlogged: dict[str, float] = {}
        """Weights of tenants with jobs in the log."""
        self._backlogged_weight = 0.0
        self._is_stopped = False
        self._may_take = asyncio.Event()
        self._may_ask = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Watches the lanes while the context lasts; leaving it asks for no more. It may be entered again."""
        self._is_stopped = False
        for name, pull in self._pulls.items():
            await pull.open()
            self._is_short(self._lanes[name])
        stream = self._config.stream
        advisory = f"$JS.EVENT.ADVISORY.CONSUMER.CREATED.{stream}.*"
        created = await self._client.subscribe(advisory, cb=self._announced)
        tasks = [asyncio.create_task(task()) for task in (self._ask, self._look_around, self._keep_held)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            if not self._client.is_closed:
                await created.unsubscribe()
            for pull in self._pulls.values():
                await pull.close()

    async def next(self) -> tuple[str, Msg] | None:
        """Returns the job whose turn it is, with its lane, as soon as a slot is free; None once it is to stop."""
        while not self._is_stopped and (self._taken >= self._slots or not self._held):
            self._may_take.clear()
            await self._may_take.wait()
        if self._is_stopped:
            return None
        tenant = self._turns.next(self._first() or self._holding)
        lanes = self._holding[tenant]
        return self._take(lanes[min(lanes)])

    def _first(self) -> Collection[str]:
        """Returns the tenants that have a job which goes before all others'."""
        return {tenant for tenant, lanes in self._holding.items() if HIGH in lanes and self._is_expedited(tenant)}

    def stop(self) -> None:
        """Asks for no more jobs, and hands out none."""
        self._is_stopped = True
        self._may_take.set()

    def release(self, lane: str) -> None:
        """Gives a slot back."""
        self._taken -= 1
        self._may_take.set()
        self._is_short(self._lanes[lane])

    def held(self) -> Iterator[tuple[str, Msg]]:
        """Takes the prefetched jobs that have not begun, so that they can be released."""
        for lane in self._lanes.values():
            while lane.held:
                yield self._take(lane)

    def _take(self, lane: _Lane) -> tuple[str, Msg]:
        message = lane.held.popleft()
        if not lane.held:
            lanes = self._holding[lane.tenant]
            del lanes[urgency(lane.name)]
            if not lanes:
                del self._holding[lane.tenant]
        self._held -= 1
        self._taken += 1
        self._is_short(lane)
        return lane.name, message

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        while True:
            self._may_ask.clear()
            short, self._short = self._short, {}
            for lane in short.values():
                if not self._is_stopped:  # what comes to somebody who leaves is lost until its ack wait has passed
                    await self._top_up(lane)
            await self._may_ask.wait()

    async def _top_up(self, lane: _Lane) -> None:
        pull = self._pulls[lane.name]
        if pull.is_gone:
            self._set_backlog(lane, 0)
        wanted = self._wanted(lane)
        at_hand = pull.asked + len(lane.held)
        # One by one would cost a request a job.
        if not at_hand or wanted - at_hand >= max(1, wanted // 4):
            await pull.ask(wanted - at_hand)

    def _wanted(self, lane: _Lane) -> int:
        """Returns how many of a lane's jobs should be prefetched or requested: one, and more while slots are free.

        What is asked for may come when the slots are taken, and then waits here although another worker may be idle:
        so idle lanes ask for little. A tenant that has a backlog keeps ready what its turns would give it if all slots
        came free at once, from its most urgent lane that has one: with less, its weight could not show.
        """
        free = self._slots - self._taken - self._held
        standing = max(1, min(_MOST_STANDING, free // (4 * len(self._lanes))))
        lanes = self._lanes_of[lane.tenant]
        if not lane.backlog or any(other.backlog for other in lanes[: lanes.index(lane)]):
            return standing
        share = self._backlogged[lane.tenant] / self._backlogged_weight
        ahead = min(_MOST_AHEAD, math.ceil(self._slots * share))
        return max(standing, min(max(ahead, math.floor(free * share)), lane.backlog + standing))

    def _arrived(self, lane: _Lane, message: Msg) -> None:
        self._tell(message.reply)
        self._set_backlog(lane, int(message.reply.rpartition(".")[2]))
        lane.held.append(message)
        self._held += 1
        self._holding.setdefault(lane.tenant, {})[urgency(lane.name)] = lane
        self._may_take.set()
        self._is_short(lane)

    def _set_backlog(self, lane: _Lane, backlog: int) -> None:
        had, lane.backlog = lane.backlog, backlog
        if bool(had) == bool(backlog):
            return
        lanes, tenant = self._lanes_of[lane.tenant], lane.tenant
        self._backlogged_weight -= self._backlogged.pop(tenant, 0.0)
        if any(one.backlog for one in lanes):
            self._backlogged[tenant] = self._turns.weight(tenant)
            self._backlogged_weight += self._backlogged[tenant]
        for less_urgent in lanes[lanes.index(lane) + 1 :]:
            self._is_short(less_urgent)

    def _is_short(self, lane: _Lane) -> None:
        self._short[lane.name] = lane
        self._may_ask.set()

    # --- finding lanes, and keeping what is held ------------------------------------------------------------------

    async def _announced(self, advisory: Msg) -> None:
        if lane := lane_in(advisory.subject.rpartition(".")[2]):
            await self._watch(lane)

    async def _look_around(self) -> None:
        while True:
            with suppress(DependencyDown):
                for name in await self._known.names():
                    await self._watch(name)
            for pull in self._pulls.values():
                pull.forget_if_silent()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _watch(self, name: str) -> None:
        if name in self._lanes:
            self._pulls[name].wake()
            return
        lane = self._lanes[name] = _Lane(name)
        lanes = self._lanes_of.setdefault(lane.tenant, [])
        lanes.append(lane)
        lanes.sort(key=lambda one: urgency(one.name))
        self._turns.join(lane.tenant)
        pull = self._pulls[name] = Pull(
            self._client, self._config, consumer_of(name), partial(self._arrived, lane), partial(self._is_short, lane)
        )
        await pull.open()
        self._is_short(lane)

    async def _keep_held(self) -> None:
        """Sends heartbeats for prefetched jobs."""
        while True:
            await asyncio.sleep(self._config.heartbeat_s)
            for lane in self._lanes.values():
                for message in lane.held:
                    self._client.keep(message.reply)
