"""Requests to budgets: what a call may cost and whose budgets it counts against, and the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from weft.common.v1 import budget_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_kit.spending import SpendingAccount


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A provider call that is about to be made."""

    tenant: str
    key_id: str
    key_budget: budget_pb2.Budget
    provider: str
    model: str
    prompt_tokens: Callable[[], int]
    """Counted only if there is a budget: long prompts take long to count."""
    max_tokens: int
    limit_s: float
    """How long it may take: if its router dies, its reservation expires soon after."""


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """The limits of one account; 0 means no limit."""

    account: SpendingAccount
    tokens_per_minute: int = 0
    micros_per_day: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The most that a call can cost, for each of its accounts, the tenant's first. `id` is unique."""

    id: str
    tokens: int
    micros: int
    lives_s: float
    limits: tuple[BudgetLimit, ...]

    @property
    def is_limited(self) -> bool:
        return any(limit.tokens_per_minute or limit.micros_per_day for limit in self.limits)


class Holder(Enum):
    """Whose budgets a call counts against."""

    REDIS = auto()
    HERE = auto()
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class Grant:
    """The call may begin. `second` is when it was granted, in Unix time, by the clock that granted it."""

    second: int
    holder: Holder


class BudgetRefusalKind(Enum):
    """Which limit is exhausted. The values are the script's."""

    TOKENS = 1
    MONEY = 2
    KNOWLEDGE = 3
    """Spending cannot be counted now."""


@dataclass(frozen=True, slots=True)
class BudgetRefusal:
    """The call may not begin. `used` is in tokens or micros. `wait_s` says when to ask again; None means never."""

    limit: BudgetLimit
    kind: BudgetRefusalKind
    used: int
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class Booking:
    """The actual use of a call that ended. `micros` is its cost."""

    claim: Claim
    grant: Grant
    provider: str
    tokens: int
    micros: int


@dataclass(frozen=True, slots=True)
class Granted:
    """A claim that was granted, and what each of its accounts had then spent and reserved, in micros."""

    grant: Grant
    micros: Sequence[int]


class BudgetLedger(Protocol):
    """Keeps the accounts of all budgets, for all routers."""

    async def reserve(self, claim: Claim) -> Granted | BudgetRefusal:
        """Reserves a claim in all of its accounts or in none. Raises StoreAway if that is not known."""
        ...

    def book(self, booking: Booking) -> None:
        """Charges what a call used, soon, and releases its reservation."""
        ...

    async def costs_today(self, tenant: str) -> Mapping[str, int]:
        """Returns the micros that a tenant's calls cost today, by provider; those of all tenants if none is named.

        Raises:
            StoreAway: the ledger does not answer.
        """
        ...


class BudgetSpent(Exception):
    """A call would exceed a budget. `wait_s` says after how long to try again; None means that it never fits."""

    def __init__(self, error: job_pb2.JobError, wait_s: float | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_s = wait_s


def budget_spent(refusal: BudgetRefusal, claim: Claim, currency: str) -> BudgetSpent:
    """Returns the error that names the exhausted budget, with the numbers and what helps."""
    limit = refusal.limit
    match refusal.kind:
        case BudgetRefusalKind.TOKENS:
            may, used = f"{limit.tokens_per_minute:,} tokens a minute", f"{refusal.used:,}"
            wants = f"{claim.tokens:,}"
        case BudgetRefusalKind.MONEY:
            may, used = f"{_money(limit.micros_per_day)} {currency} a day (UTC)", _money(refusal.used)
            wants = _money(claim.micros)
        case BudgetRefusalKind.KNOWLEDGE:
            message = "what was spent is not known without redis, and nothing may be spent uncounted; submit it again"
            return BudgetSpent(_error(error_pb2.ERROR_REASON_DEPENDENCY_DOWN, message), refusal.wait_s)
    if refusal.wait_s is None:
        message = f"a call may take {wants} here, more than the {may} of {limit.account}; ask for a smaller max_tokens"
        return BudgetSpent(_error(error_pb2.ERROR_REASON_QUOTA_EXCEEDED, message, retryable=False), None)
    message = (
        f"{limit.account} may spend {may}: {used} are spent or held for calls under way, and this one may take {wants};"
        f" submit it again in {refusal.wait_s:.0f} s, or ask for a smaller max_tokens"
    )
    return BudgetSpent(_error(error_pb2.ERROR_REASON_QUOTA_EXCEEDED, message), refusal.wait_s)


def _error(reason: error_pb2.ErrorReason.ValueType, message: str, *, retryable: bool = True) -> job_pb2.JobError:
    return job_pb2.JobError(reason=reason, message=message, retryable=retryable)


def _money(micros: int) -> str:
    return f"{micros / 1_000_000:,.6f}".rstrip("0").rstrip(".")
