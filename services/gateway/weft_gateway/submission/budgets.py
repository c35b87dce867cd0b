"""What tenants and keys have left to spend: a job that could not run before it expires is refused at submission.

The routers enforce budgets; this is the early check, for callers that can still do something else.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from weft.common.v1 import budget_pb2, error_pb2
from weft.job.v1 import event_pb2
from weft_gateway.auth.keys import Key
from weft_kit.breaker import Breaker
from weft_kit.catalog.catalog import Catalog
from weft_kit.rpc.context import CallContext, remaining_to_pass_on
from weft_kit.rpc.errors import DependencyDown, Exhausted
from weft_kit.rpc.time import seconds_of
from weft_kit.spending import SpendingAccount, Spent, day_end_s, frees_after_s, read_spent
from weft_kit.time_limits import loop_timeout

_FRESH_S: Final = 1.0
_LATE_IN_A_ROW: Final = 3
_NO_BUDGET: Final = budget_pb2.Budget()
_UNKNOWN: Final = "so what was spent is not known; wait, then retry"

Fallback = Literal["open", "closed"]
"""What becomes of jobs that have a budget while Redis does not say what is spent.

"open": they are accepted. A submit needs only the log, a job waits there without spending anything, and the router that
runs it decides again. "closed": they are refused.
"""


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A budget, and what has been spent of it."""

    account: SpendingAccount
    budget: budget_pb2.Budget
    spent: Spent

    def refusal(self, left_s: float) -> Exhausted | None:
        """Returns why a job that lives for `left_s` is refused; None if it can still run."""
        tokens, money, now_s = self.budget.tokens_per_minute, self.budget.micros_per_day, self.spent.now_s
        used = self.spent.tokens_last_minute
        if money and self.spent.micros_today >= money and (wait_s := day_end_s(now_s) - now_s) >= left_s:
            return self._refused("micros_per_day", self.spent.micros_today, money, wait_s)
        if tokens and used >= tokens:
            wait_s = frees_after_s(self.spent.seconds, now_s, used - tokens + 1)
            if wait_s >= left_s:
                return self._refused("tokens_per_minute", used, tokens, wait_s)
        return None

    def _refused(self, limit: str, used: int, allowed: int, wait_s: int) -> Exhausted:
        message = (
            f"the {limit} of {self.account} are spent, {used} of {allowed}; there is room again in {wait_s} s, which"
            " the job would not live to see: submit it then, or with a longer timeout"
        )
        numbers = {"limit": str(allowed), "spent": str(used)}
        account = "key" if self.account.key_id else "tenant"
        reason = error_pb2.ERROR_REASON_QUOTA_EXCEEDED
        return Exhausted(reason, message, wait_s, budget=limit, account=account, **numbers)


class BudgetChecks:
    """Knows what had been spent a second ago. `catalog` is read anew each time, `find` returns a key by its id.

    Admission waits for Redis for `limit_s`, can do without it, and stops calling it for a moment after it was late
    three times in a row. Reads of the budgets wait for up to `read_limit_s`, and always call Redis.
    """

    def __init__(
        self,
        redis: Redis,
        catalog: Callable[[], Catalog],
        find: Callable[[str], Awaitable[Key | None]],
        *,
        fallback: Fallback = "open",
        limit_s: float = 0.05,
        read_limit_s: float = 2.0,
    ) -> None:
        self._redis = redis
        self._catalog = catalog
        self._find = find
        self._fallback = fallback
        self._limit_s = limit_s
        self._read_limit_s = read_limit_s
        self._breaker = Breaker(threshold=_LATE_IN_A_ROW, rest_s=_FRESH_S)
        # Bounded by the number of keys that operators created.
        self._known: dict[SpendingAccount, Spent] = {}

    @property
    def currency(self) -> str:
        """Of all amounts; empty without a price list."""
        prices = self._catalog().prices
        return prices.currency if prices else ""

    async def admit(self, accepted: event_pb2.Accepted) -> None:
        """Adds the key's budget to the envelope. Raises Exhausted when the job could not run before it expires."""
        key = await self._find(accepted.key_id)
        if key and (budget := key.budget) != _NO_BUDGET:
            accepted.key_budget.CopyFrom(budget)
        await self._check(accepted, time.time())

    async def _check(self, accepted: event_pb2.Accepted, now_s: float) -> None:
        left_s = seconds_of(accepted.expire_time) - now_s
        for account, budget in self._budgets(accepted.tenant, accepted.key_id, accepted.key_budget):
            if budget.micros_per_day and not self._catalog().may_cost(accepted.request.model):
                budget = budget_pb2.Budget(tokens_per_minute=budget.tokens_per_minute)  # noqa: PLW2901
            if budget == _NO_BUDGET:
                continue
            try:
                standing = BudgetStanding(account, budget, await self._recent(account, int(now_s)))
            except DependencyDown:
                if self._fallback == "open":
                    return
                raise
            if refusal := standing.refusal(left_s):
                raise refusal

    async def standings(self, caller: CallContext) -> tuple[BudgetStanding, BudgetStanding]:
        """Returns what the caller's tenant and its key have spent. Raises DependencyDown when Redis does not answer."""
        key = await self._find(caller.key_id)
        budgets = self._budgets(caller.tenant, caller.key_id, key.budget if key else _NO_BUDGET)
        accounts = [account for account, _ in budgets]
        tenants, keys = await self._read(accounts, int(time.time()), self._read_limit_s)
        return BudgetStanding(*budgets[0], tenants), BudgetStanding(*budgets[1], keys)

    def _budgets(
        self, tenant: str, key_id: str, keys: budget_pb2.Budget
    ) -> tuple[tuple[SpendingAccount, budget_pb2.Budget], tuple[SpendingAccount, budget_pb2.Budget]]:
        return (SpendingAccount(tenant), self._catalog().budget(tenant).to_wire()), (
            SpendingAccount(tenant, key_id),
            keys,
        )

    async def _recent(self, account: SpendingAccount, now_s: int) -> Spent:
        known = self._known.get(account)
        if known is None or now_s - known.now_s >= _FRESH_S:
            if not self._breaker.allows(time.monotonic()):
                raise DependencyDown("redis", f"redis was late {_LATE_IN_A_ROW} times in a row, {_UNKNOWN}")
            (known,) = await self._read([account], now_s, self._limit_s)
            self._known[account] = known
        return known

    async def _read(self, accounts: list[SpendingAccount], now_s: int, longest_s: float) -> list[Spent]:
        limit_s = remaining_to_pass_on(longest_s)
        try:
            async with loop_timeout(limit_s):
                spent = await read_spent(self._redis, accounts, now_s)
        except (RedisError, OSError, TimeoutError) as error:
            # The timeout of a caller with no time left says nothing about Redis.
            if limit_s == longest_s:
                self._breaker.failed(time.monotonic())
            is_late = isinstance(error, TimeoutError | RedisTimeout)
            problem = f"redis did not answer within {limit_s:.2g} s" if is_late else "redis cannot be reached"
            raise DependencyDown("redis", f"{problem}, {_UNKNOWN}") from error
        self._breaker.succeeded()
        return spent
