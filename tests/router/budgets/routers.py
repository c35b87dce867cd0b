"""The budgets of routers that share a Redis, and calls that ask them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from weft.common.v1 import budget_pb2, chat_pb2
from weft_kit.catalog.catalog import Catalog
from weft_kit.catalog.prices import Budget, Price, Prices
from weft_kit.spending import SpendingAccount, Spent, read_spent
from weft_router.budgets.budgets import Budgets, Fallback, Reservation
from weft_router.budgets.claims import BudgetSpent, PlannedCall
from weft_router.budgets.redis_ledger import RedisLedger

PRICES = Prices(as_of=date(2026, 1, 1), per_million={"mock": {"mock": Price(input=Decimal(1), output=Decimal(2))}})


def catalog(**budget: Any) -> Catalog:
    """One whose every tenant has this budget."""
    return Catalog.model_construct(prices=PRICES, default_budget=Budget(**budget), budgets={})


@dataclass
class Router:
    """The budgets of one router."""

    budgets: Budgets
    catalog: Catalog

    async def reserve(self, asked: PlannedCall) -> Reservation:
        return await self.budgets.reserve(asked, self.catalog)


@asynccontextmanager
async def router(
    url: str, catalog: Catalog, fallback: Fallback = "local", limit_s: float = 5
) -> AsyncIterator[tuple[Router, RedisLedger]]:
    """A router with a connection of its own, and its ledger."""
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        ledger = RedisLedger(client, limit_s=limit_s, rest_s=0.05)
        async with ledger.keeping():
            yield Router(Budgets(ledger, fallback), catalog), ledger


def call(tenant: str, prompt_tokens: int = 1, max_tokens: int = 0, **fields: Any) -> PlannedCall:
    fields = {"key_id": "k1", "key_budget": budget_pb2.Budget(), "provider": "mock", "model": "mock"} | fields
    return PlannedCall(tenant=tenant, prompt_tokens=lambda: prompt_tokens, max_tokens=max_tokens, limit_s=30, **fields)


def took(prompt: int, completion: int = 0, **fields: int) -> chat_pb2.Usage:
    return chat_pb2.Usage(prompt_tokens=prompt, completion_tokens=completion, **fields)


async def passes(router: Router, asked: PlannedCall, usage: chat_pb2.Usage | None = None) -> bool:
    """Whether a call passes; it takes what it may unless `usage` says otherwise."""
    try:
        reservation = await router.reserve(asked)
    except BudgetSpent:
        return False
    reservation.settle(usage or took(asked.prompt_tokens(), asked.max_tokens))
    return True


async def refusal(router: Router, asked: PlannedCall) -> BudgetSpent:
    with pytest.raises(BudgetSpent) as raised:
        await router.reserve(asked)
    return raised.value


async def spent(redis: Redis, tenant: str, key_id: str = "") -> Spent:
    return (await read_spent(redis, [SpendingAccount(tenant, key_id)], int(time.time())))[0]
