"""Capacity that tenants share: a tenant alone gets at most half, and some is always left for the next one."""

import asyncio
from collections import Counter, deque


class FairShare:
    """Capacity by tenant, in places.

    A tenant may hold no more than it leaves free (dynamic thresholds, Choudhury and Hahne 1998): the first gets at most
    half of the places, the next half of the rest, and nothing has to be evicted when another one comes. A tenant that
    holds nothing may take whatever is free. Waiting tenants take turns; within one it is first come, first served.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}

    @property
    def waiting(self) -> int:
        """How many callers wait for a place."""
        return sum(not turn.cancelled() for turns in self._waiting.values() for _, turn in turns)

    async def take(self, tenant: str, places: int = 1) -> None:
        """Waits until the tenant may hold this many more places; raises ValueError for more than there are."""
        if places > self._places:
            raise ValueError(f"there are {self._places} places, not {places}")
        if tenant not in self._waiting and self.try_take(tenant, places):
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append((places, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                # It may have blocked a smaller one.
                self._hand_on()
            else:
                self.give_back(tenant, places)
            raise

    def try_take(self, tenant: str, places: int = 1) -> bool:
        """Takes places if the tenant may hold them now."""
        held = self._held[tenant]
        if places + held > self._free:
            return False
        self._free -= places
        self._held[tenant] = held + places
        return True

    def give_back(self, tenant: str, places: int = 1) -> None:
        """Frees places, and gives them to waiting callers."""
        self._free += places
        self._held[tenant] -= places
        if not self._held[tenant]:
            del self._held[tenant]
        self._hand_on()

    def _hand_on(self) -> None:
        for tenant in list(self._waiting):
            self._drop_those_who_left(tenant)
        while given := next((tenant for tenant in self._waiting if self._give(tenant)), None):
            # The others come first now.
            turns = self._waiting.pop(given)
            self._waiting[given] = turns
            self._drop_those_who_left(given)

    def _give(self, tenant: str) -> bool:
        places, turn = self._waiting[tenant][0]
        if not self.try_take(tenant, places):
            return False
        self._waiting[tenant].popleft()
        turn.set_result(None)
        return True

    def _drop_those_who_left(self, tenant: str) -> None:
        turns = self._waiting[tenant]
        while turns and turns[0][1].cancelled():
            turns.popleft()
        if not turns:
            del self._waiting[tenant]
