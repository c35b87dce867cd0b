"""Budgets: the most that a call can cost is reserved before it, and the actual cost is settled after it."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Literal

from weft.common.v1 import budget_pb2, chat_pb2
from weft_kit.catalog.catalog import Catalog
from weft_kit.catalog.prices import Prices
from weft_kit.spending import SpendingAccount
from weft_kit.stores.optional import StoreAway
from weft_router import metrics
from weft_router.budgets.claims import (
    Booking,
    BudgetLedger,
    BudgetLimit,
    BudgetRefusal,
    BudgetRefusalKind,
    Claim,
    Grant,
    Granted,
    Holder,
    PlannedCall,
    budget_spent,
)
from weft_router.budgets.local_ledger import LocalLedger
from weft_router.job import usage


def rest_s(wait_s: float, left_s: float, delivery: int, max_deliveries: int, share: float) -> float | None:
    """Returns the seconds until the job should check again; None if it would expire first.

    At least the time that it was told to wait, and up to a quarter more (`share`, 0-1, drawn at random), so that
    waiting jobs do not all come back at once. A job may be handed out `max_deliveries` times: the more of them are
    used, the longer the waits, so that they last for its life.
    """
    remaining = max_deliveries - delivery
    if remaining <= 0 or wait_s >= left_s:
        return None
    stretched_s = left_s * (delivery / max_deliveries) ** 2 / remaining
    return min(max(wait_s * (1 + share / 4), stretched_s), max(wait_s, 0.95 * left_s))


_GRACE_S: Final = 30.0
"""How much longer than its longest call a reservation lasts."""
_UNKNOWN_WAIT_S: Final = 2.0

Fallback = Literal["local", "closed", "open"]
"""What decides without Redis.

"local": this router alone, from Redis's last state. Each router then enforces a budget by itself, so together they may
spend it as many times as there are routers; the mesh keeps working, and spending stays bounded. "closed": calls wait;
for budgets that must never be exceeded. "open": calls pass; for budgets that are only a target.
"""


class Reservation:
    """What is reserved for one call until it is settled. Unsettled reservations expire once the call must be over."""

    def __init__(
        self, claim: Claim, grant: Grant, call: PlannedCall, prices: Prices | None, book: Callable[[Booking], None]
    ) -> None:
        self._claim = claim
        self._grant = grant
        self._call = call
        self._prices = prices
        self._book = book
        self._is_settled = False

    def settle(self, taken: chat_pb2.Usage) -> budget_pb2.Cost | None:
        """Charges what the call really used, however it ended, and returns its cost; None if the model has no price.

        Only the first call counts. Settling with nothing releases the whole reservation.
        """
        call, prices = self._call, self._prices
        price = prices.of(call.provider, call.model) if prices else None
        micros = price.cost_micros(taken) if price else 0
        if not self._is_settled:
            self._is_settled = True
            self._book(Booking(self._claim, self._grant, call.provider, usage.total(taken), micros))
            _count(call, prices, micros, is_priced=price is not None)
        return budget_pb2.Cost(micros=micros, currency=prices.currency) if prices and price else None


class Budgets:
    """Enforces the budgets of a call's tenant and key."""

    def __init__(self, ledger: BudgetLedger, fallback: Fallback) -> None:
        self._ledger = ledger
        self._fallback = fallback
        self._local = LocalLedger()

    async def reserve(self, call: PlannedCall, catalog: Catalog) -> Reservation:
        """Reserves what a call may cost before its provider is called.

        Raises:
            BudgetSpent: a budget is exhausted. Nothing is reserved.
        """
        claim = _claim(call, catalog)
        decision = await self._decide(claim) if claim.is_limited else Grant(int(time.time()), Holder.NOBODY)
        if isinstance(decision, BudgetRefusal):
            raise budget_spent(decision, claim, catalog.prices.currency if catalog.prices else "")
        return Reservation(claim, decision, call, catalog.prices, self._book)

    async def costs_today(self, tenant: str) -> Mapping[str, int] | None:
        """Returns the micros that a tenant's calls cost today, by provider; those of all tenants if none is named.

        None while that is not known.
        """
        try:
            return await self._ledger.costs_today(tenant)
        except StoreAway:
            return None

    async def _decide(self, claim: Claim) -> Grant | BudgetRefusal:
        try:
            found = await self._ledger.reserve(claim)
        except StoreAway:
            by, decision = str(self._fallback), self._decide_alone(claim)
        else:
            by, decision = "redis", self._noted(claim, found)
        metrics.BUDGET_DECISIONS.labels(by, "refused" if isinstance(decision, BudgetRefusal) else "granted").inc()
        return decision

    def _noted(self, claim: Claim, found: Granted | BudgetRefusal) -> Grant | BudgetRefusal:
        """Remembers what Redis says, for when it does not answer."""
        if isinstance(found, BudgetRefusal):
            return found
        for limit, micros in zip(claim.limits, found.micros, strict=True):
            self._local.saw(limit.account, found.grant.second, micros)
        return found.grant

    def _decide_alone(self, claim: Claim) -> Grant | BudgetRefusal:
        now_s = int(time.time())
        match self._fallback:
            case "open":
                return Grant(now_s, Holder.NOBODY)
            case "closed":
                return BudgetRefusal(claim.limits[0], BudgetRefusalKind.KNOWLEDGE, 0, _UNKNOWN_WAIT_S)
            case "local":
                return self._local.reserve(claim, now_s)

    def _book(self, booking: Booking) -> None:
        if booking.grant.holder is Holder.HERE:
            self._local.settle(booking.claim, booking.grant, booking.tokens, booking.micros)
        self._ledger.book(booking)


def _claim(call: PlannedCall, catalog: Catalog) -> Claim:
    tenants, keys = catalog.budget(call.tenant).to_wire(), call.key_budget
    limits = [BudgetLimit(SpendingAccount(call.tenant), tenants.tokens_per_minute, tenants.micros_per_day)]
    if call.key_id:
        limits.append(
            BudgetLimit(SpendingAccount(call.tenant, call.key_id), keys.tokens_per_minute, keys.micros_per_day)
        )
    claim = Claim(secrets.token_hex(8), 0, 0, call.limit_s + _GRACE_S, tuple(limits))
    if not claim.is_limited:
        return claim
    prompt_tokens = call.prompt_tokens()
    price = catalog.prices.of(call.provider, call.model) if catalog.prices else None
    micros = price.most_micros(prompt_tokens, call.max_tokens) if price else 0
    return replace(claim, tokens=prompt_tokens + call.max_tokens, micros=micros)


def _count(call: PlannedCall, prices: Prices | None, micros: int, *, is_priced: bool) -> None:
    if is_priced and prices:
        metrics.COST_MICROS.labels(call.provider, call.model, prices.currency).inc(micros)
    elif prices:
        metrics.UNPRICED_CALLS.labels(call.provider, call.model).inc()
