"""A queue for a limited number of slots: a line for each tenant, in the order of deadlines."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft_kit.rpc.errors import DeadlineExceeded, Draining, Overloaded

_SHORTEST_WAIT_S = 0.05
_LONGEST_WAIT_S = 30.0
_FIRST_GUESS_S = 1.0
# Each new observation weighs a fifth, so the average follows a change of load within a few requests.
_WEIGHT = 0.2

# Deadline, arrival, and the future that resolves when the turn comes.
_Place = tuple[float, int, asyncio.Future[None]]


class ServiceTime:
    """A moving average of how long slots are held, in seconds; each new observation has the given `weight`."""

    def __init__(self, weight: float = _WEIGHT) -> None:
        self._weight = weight
        self._mean: float | None = None

    def observe(self, seconds: float) -> None:
        self._mean = seconds if self._mean is None else self._mean + self._weight * (seconds - self._mean)

    @property
    def mean_s(self) -> float:
        """The average; 0 before the first observation."""
        return self._mean or 0.0

    def until_a_place_frees(self, slots: int) -> float:
        """Returns how long it takes on average until one of `slots` busy slots is free, and the queue moves by one."""
        mean = _FIRST_GUESS_S if self._mean is None else self._mean
        return min(max(mean / slots, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)


class Admission:
    """Lets `slots` callers run and `queue_limit` wait.

    Tenants take turns. Within a tenant the earliest deadline goes first and, of equal ones, the first to arrive. When
    the queue is full, the last in the longest line is refused in favour of a tenant with a shorter one. Deadlines are
    in the event loop's time. With finite ones no caller starves: in time, every newcomer's deadline is later.

    A caller that leaves while waiting frees its place; one that leaves while running frees its slot.
    """

    def __init__(self, slots: int, queue_limit: int) -> None:
        self.slots = slots
        self.queue_limit = queue_limit
        self.running = 0
        self._lines: dict[str, list[_Place]] = {}
        """A heap for each tenant with waiting callers, and first the tenant whose turn it is."""
        self._arrivals = itertools.count()
        self._held = ServiceTime()
        self._is_draining = False

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    def ahead(self, deadline: float, tenant: str = "") -> int:
        """Returns how many callers would get a slot before a newcomer does; 0 if one is free.

        They are those of its own line with a deadline no later and, as lines take turns, up to one more of each other.
        """
        if self.running < self.slots:
            return 0
        before = sum(place[0] <= deadline for place in self._lines.get(tenant, ()))
        others = sum(min(len(line), before + 1) for name, line in self._lines.items() if name != tenant)
        return before + others

    @asynccontextmanager
    async def slot(self, deadline: float, tenant: str = "") -> AsyncIterator[None]:
        """Holds a slot while the context lasts. Raises Overloaded, Draining, or DeadlineExceeded after waiting."""
        await self._enter(deadline, tenant)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            self._held.observe(loop.time() - began)
            self._pass_on()

    def drain(self) -> None:
        """Refuses newcomers and waiting callers: another replica serves them sooner."""
        self._is_draining = True
        for line in self._lines.values():
            for _, _, turn in line:
                if not turn.done():
                    turn.set_exception(Draining())
        self._lines.clear()

    async def _enter(self, deadline: float, tenant: str) -> None:
        if self._is_draining:
            raise Draining
        if self.running < self.slots:
            self.running += 1
            return
        if self.waiting >= self.queue_limit:
            self._make_place(tenant)
        await self._wait(deadline, tenant)

    def _make_place(self, tenant: str) -> None:
        """Refuses the last in the longest line. Raises Overloaded if the newcomer's line would be as long."""
        wait_s = self._held.until_a_place_frees(self.slots)
        full = Overloaded(f"all {self.slots} slots and {self.queue_limit} places are taken; retry later", wait_s)
        longest = max(self._lines.values(), key=len, default=[])
        if len(longest) <= len(self._lines.get(tenant, ())) + 1:
            raise full
        last = max(longest)
        longest.remove(last)
        heapq.heapify(longest)
        if not last[2].done():
            last[2].set_exception(full)

    async def _wait(self, deadline: float, tenant: str) -> None:
        place: _Place = (deadline, next(self._arrivals), asyncio.get_running_loop().create_future())
        heapq.heappush(self._lines.setdefault(tenant, []), place)
        try:
            async with asyncio.timeout_at(deadline):
                await place[2]
        except BaseException as error:
            self._leave(place, tenant)
            if isinstance(error, TimeoutError):
                message = "the deadline passed in the queue; allow more time or send less at once"
                raise DeadlineExceeded(message) from None
            raise

    def _leave(self, place: _Place, tenant: str) -> None:
        line = self._lines.get(tenant, [])
        if place in line:
            line.remove(place)
            heapq.heapify(line)
            if not line:
                del self._lines[tenant]
        elif place[2].done() and not place[2].cancelled() and not place[2].exception():
            # The slot was granted at the very moment the caller left.
            self._pass_on()

    def _pass_on(self) -> None:
        """Gives the slot to the next in line, or frees it."""
        while self._lines:
            tenant = next(iter(self._lines))
            line = self._lines.pop(tenant)
            turn = heapq.heappop(line)[2]
            if line:
                self._lines[tenant] = line  # behind the others now
            # A caller that was just cancelled stays in line until its task runs again.
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1
