"""Budgets shared by all routers, in Redis.

The ledger batches by itself, as the job log does: while one round trip is in progress the next calls are collected, and
the next round trip decides them all. Actual costs are charged in the background, and wait here while Redis is down.
"""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from redis.asyncio import Redis

from weft_kit.outages import Outage
from weft_kit.spending import SpendingAccount, costs, day_of
from weft_kit.stores.optional import OptionalStore, StoreAway
from weft_router import metrics
from weft_router.budgets.claims import Booking, BudgetRefusal, BudgetRefusalKind, Claim, Grant, Granted, Holder

_RESERVE: Final = (Path(__file__).parent / "reserve.lua").read_text(encoding="utf-8")
_SETTLE: Final = (Path(__file__).parent / "settle.lua").read_text(encoding="utf-8")
_BOOKED: Final = "weft:budget:booked"
_LARGEST_BATCH: Final = 256
_MOST_UNBOOKED: Final = 20_000
_READ_LIMIT_S: Final = 1.0
_PACE_S: Final = 0.01
"""How long charges are collected; unused reservations are released with this delay."""

T = TypeVar("T")


_Waiting = tuple[Claim, "asyncio.Future[Granted | BudgetRefusal]"]


class RedisLedger:
    """Decides and charges in Redis. After Redis was late (`limit_s`) three times in a row, does not call it for
    `rest_s`.
    """

    def __init__(self, redis: Redis, *, limit_s: float, rest_s: float = 1.0) -> None:
        self._redis: Any = redis
        self._reserve = redis.register_script(_RESERVE)
        self._settle = redis.register_script(_SETTLE)
        outage = Outage("budgets without redis: it does not answer", "budgets are in redis again")
        # Whatever is wrong with Redis, the waiting calls must continue: any error is a failure.
        self._store = OptionalStore(limit_s=limit_s, rest_s=rest_s, outage=outage)
        self._waiting: deque[_Waiting] = deque()
        self._deciding: asyncio.Task[None] | None = None
        self._unbooked: deque[Booking] = deque()
        self._being_booked: Sequence[Booking] = ()
        self._booked = f"{_BOOKED}:{secrets.token_hex(8)}"
        self._lists = 0
        self._booking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Charges in the background while the block lasts; leaving it tries for `limit_s` more to send what is left."""
        try:
            yield
        finally:
            if booking := self._booking:
                await asyncio.wait((booking,), timeout=self._store.limit_s)
                booking.cancel()
            metrics.BOOKINGS_LOST.inc(len(self._unbooked) + len(self._being_booked))

    async def reserve(self, claim: Claim) -> Granted | BudgetRefusal:
        """Reserves a claim in all of its accounts or in none.

        Raises:
            StoreAway: it is not known whether the claim is reserved; if so, it expires at the end of the claim's life.
        """
        if not self._store.allows():
            raise StoreAway
        decision: asyncio.Future[Granted | BudgetRefusal] = asyncio.get_running_loop().create_future()
        self._waiting.append((claim, decision))
        if self._deciding is None:
            self._deciding = asyncio.create_task(self._decide_all())
        try:
            return await decision
        except asyncio.CancelledError:
            if decision.done() and not decision.cancelled() and decision.exception() is None:
                self._give_back(claim, decision.result())
            raise

    def book(self, booking: Booking) -> None:
        """Charges what a call used, soon, and releases its reservation."""
        self._unbooked.append(booking)
        if len(self._unbooked) > _MOST_UNBOOKED:
            self._unbooked.popleft()
            metrics.BOOKINGS_LOST.inc()
        if self._booking is None:
            self._booking = asyncio.create_task(self._book_all())

    async def booked(self) -> None:
        """Waits until everything is charged."""
        if self._booking:
            await asyncio.shield(self._booking)

    async def costs_today(self, tenant: str) -> dict[str, int]:
        """Returns the micros that a tenant's calls cost today, by provider; those of all tenants if none is named.

        Raises:
            StoreAway: Redis does not answer.
        """
        # A person wants to see it, and can wait a moment.
        async with self._store.exchange(max(self._store.limit_s, _READ_LIMIT_S)):
            found = await self._redis.hgetall(costs(day_of(time.time()), tenant))
        return {provider.decode(): int(micros) for provider, micros in found.items()}

    async def _decide_all(self) -> None:
        try:
            while self._waiting:
                batch = _first(self._waiting, _LARGEST_BATCH)
                try:
                    answers = await self._decide([claim for claim, _ in batch])
                except StoreAway:
                    _fail(batch)
                    continue
                for (claim, decision), answer in zip(batch, answers, strict=True):
                    self._answer(claim, decision, answer)
        finally:
            self._deciding = None

    async def _decide(self, claims: Sequence[Claim]) -> list[Granted | BudgetRefusal]:
        payload = json.dumps([_claim_entry(claim) for claim in claims])
        async with self._store.exchange():
            answers = await self._reserve(args=[payload])
        return [_read(claim, answer) for claim, answer in zip(claims, answers, strict=True)]

    def _answer(
        self, claim: Claim, decision: "asyncio.Future[Granted | BudgetRefusal]", answer: Granted | BudgetRefusal
    ) -> None:
        if not decision.done():
            decision.set_result(answer)
        else:
            self._give_back(claim, answer)

    def _give_back(self, claim: Claim, answer: Granted | BudgetRefusal) -> None:
        """Releases a claim whose caller left before knowing the result."""
        if isinstance(answer, Granted):
            self.book(Booking(claim, answer.grant, "", tokens=0, micros=0))

    async def _book_all(self) -> None:
        try:
            while self._unbooked:
                await asyncio.sleep(_PACE_S)
                self._being_booked = _first(self._unbooked, _LARGEST_BATCH)
                await self._book_once(self._being_booked)
                self._being_booked = ()
        finally:
            self._booking = None

    async def _book_once(self, batch: Sequence[Booking]) -> None:
        """Charges until it succeeds: an unanswered attempt may have done it, which the list's number tells."""
        self._lists += 1
        payload = json.dumps([_booking_entry(booking) for booking in batch])
        while True:
            try:
                async with self._store.exchange():
                    await self._settle(keys=[self._booked], args=[payload, self._lists])
            except StoreAway:
                await asyncio.sleep(self._store.rest_s)
            else:
                return


def _first(queue: deque[T], most: int) -> list[T]:
    """Takes up to so many items from a queue."""
    return [queue.popleft() for _ in range(min(len(queue), most))]


def _fail(batch: Sequence[_Waiting]) -> None:
    for _, decision in batch:
        if not decision.done():
            decision.set_exception(StoreAway())


def _claim_entry(claim: Claim) -> dict[str, Any]:
    limits = [
        {
            **_names(limit.account),
            "tokens_per_minute": limit.tokens_per_minute,
            "micros_per_day": limit.micros_per_day,
        }
        for limit in claim.limits
    ]
    lives_ms = round(claim.lives_s * 1000)
    return {"id": claim.id, "tokens": claim.tokens, "micros": claim.micros, "lives_ms": lives_ms, "limits": limits}


def _read(claim: Claim, answer: Sequence[int]) -> Granted | BudgetRefusal:
    granted, *rest = answer
    if granted:
        second, *micros = rest
        return Granted(Grant(second, Holder.REDIS), micros)
    which, kind, used, wait_s = rest
    return BudgetRefusal(claim.limits[which - 1], BudgetRefusalKind(kind), used, None if wait_s < 0 else wait_s)


def _booking_entry(booking: Booking) -> dict[str, Any]:
    claim, day = booking.claim, day_of(booking.grant.second)
    is_held = booking.grant.holder is Holder.REDIS
    tenant = claim.limits[0].account.tenant
    return {
        "accounts": [_names(limit.account) for limit in claim.limits],
        "costs": [costs(day), costs(day, tenant)],
        "provider": booking.provider,
        "second": booking.grant.second,
        "day": day,
        "tokens": booking.tokens - (claim.tokens if is_held else 0),
        "micros": booking.micros,
        "hold": f"{claim.id}:{day}:{claim.tokens}:{claim.micros}" if is_held else "",
        "held_tokens": claim.tokens,
        "held_micros": claim.micros,
    }


def _names(account: SpendingAccount) -> dict[str, str]:
    return {"tokens": account.tokens, "holds": account.holds, "days": account.days}
