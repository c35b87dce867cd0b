"""How many unfinished jobs a tenant may have, and how that is known without counting for each one.

Each replica counts exactly what it accepted itself, and learns the rest from the log's own count, which it requests in
the background: every second, or every ten while the tenant is below a tenth of its limit. Near the limit no job is
admitted or refused on an older count. So one replica enforces the limit exactly, and each further one can exceed it by
at most a tenth of it plus what that replica accepts in a second.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import DependencyDown, Exhausted
from weft_kit.tasks import TaskSet

_FRESH_S, _FRESH_FAR_S = 1.0, 10.0
_FAR, _NEAR = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class QuotaStanding:
    """What one replica knows of a tenant: the log's count, what it accepted itself since, and the age of the count."""

    counted: int
    accepted_since: int
    age_s: float

    @property
    def unfinished(self) -> int:
        return self.counted + self.accepted_since

    def wants_count(self, limit: int) -> bool:
        """Returns whether a new count should be on its way."""
        return self.age_s > (_FRESH_FAR_S if self.unfinished < limit * _FAR else _FRESH_S)

    def needs_count(self, limit: int) -> bool:
        """Returns whether nothing can be decided before a new count arrives: near the limit, and before the first
        count.
        """
        return self.age_s > _FRESH_S and (self.unfinished >= limit * _NEAR or math.isinf(self.age_s))

    def refusal(self, limit: int) -> Exhausted | None:
        """Returns the refusal of one more job, if it would exceed the limit."""
        if self.unfinished < limit:
            return None
        message = (
            f"{self.unfinished} of this tenant's jobs are unfinished, at most {limit} may be; wait for some to end"
        )
        numbers = {"limit": str(limit), "unfinished": str(self.unfinished)}
        return Exhausted(error_pb2.ERROR_REASON_QUOTA_EXCEEDED, message, _FRESH_S, **numbers)


@dataclass(slots=True)
class _Account:
    """One tenant's counts. `entering` jobs are being written to the log; `entered` counts all that were, since the
    start.
    """

    counted: int = 0
    counted_at: float = -math.inf
    entered_before: int = 0
    entered: int = 0
    entering: int = 0
    counting: asyncio.Task[None] | None = None

    def standing(self, now: float) -> QuotaStanding:
        return QuotaStanding(self.counted, self.entered - self.entered_before + self.entering, now - self.counted_at)


class Quota:
    """Admits jobs while there is room for them. `count` asks the log for the number of a tenant's unfinished jobs."""

    def __init__(self, count: Callable[[str], Awaitable[int]], limit: Callable[[str], int]) -> None:
        self._count = count
        self._limit = limit
        self._counts = TaskSet()
        # Bounded by the number of tenants that operators created.
        self._accounts: dict[str, _Account] = {}

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Keeps counts running that submits started, while the block lasts."""
        try:
            yield
        finally:
            await self._counts.drop()

    def place(self, tenant: str) -> AbstractAsyncContextManager[None]:
        """Holds a place while a job is written. Raises Exhausted when there is none."""
        return _Place(self, tenant, self._accounts.setdefault(tenant, _Account()))

    async def admit(self, tenant: str, account: _Account) -> None:
        """Returns when there is room for one more job. Raises Exhausted when there is none."""
        limit = self._limit(tenant)
        standing = account.standing(time.monotonic())
        if standing.wants_count(limit):
            counting = self._count_once(tenant, account)
            if standing.needs_count(limit):
                # Shielded: a caller who leaves must not cancel the count for the others that wait for it.
                await asyncio.shield(counting)
                standing = account.standing(time.monotonic())
        if refusal := standing.refusal(limit):
            raise refusal

    def _count_once(self, tenant: str, account: _Account) -> asyncio.Task[None]:
        if account.counting is None or account.counting.done():
            account.counting = self._counts.start(self._recount(tenant, account))
        return account.counting

    async def _recount(self, tenant: str, account: _Account) -> None:
        # A job that enters from here on may or may not be in the count: adding it errs on the safe side.
        entered = account.entered
        try:
            account.counted = await self._count(tenant)
        except DependencyDown:
            return  # the write of the job itself will say so, or will have got through
        account.entered_before = entered
        account.counted_at = time.monotonic()


@dataclass(slots=True)
class _Place:
    """A place for a job that is being written."""

    quota: Quota
    tenant: str
    account: _Account

    async def __aenter__(self) -> None:
        await self.quota.admit(self.tenant, self.account)
        self.account.entering += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # If it is not known whether a job was written, the next count will tell.
        self.account.entering -= 1
        self.account.entered += kind is None
