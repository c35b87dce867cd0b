"""What a call may take and of whom, and what comes of asking for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from weft.common.v1 import budget_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_kit.spending import SpendingAccount


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A provider about to be asked, once."""

    tenant: str
    key_id: str
    key_budget: budget_pb2.Budget
    provider: str
    model: str
    prompt_tokens: Callable[[], int]
    """Asked only where there is a budget: long prompts take long to count."""
    max_tokens: int
    limit_s: float
    """How long it may take: what a router that dies held for it is given up soon after."""


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """What one account may spend; 0 means no limit."""

    account: SpendingAccount
    tokens_per_minute: int = 0
    micros_per_day: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a call may take, at most, of each of its accounts: its tenant's first. `id` is no other claim's."""

    id: str
    tokens: int
    micros: int
    lives_s: float
    limits: tuple[BudgetLimit, ...]

    @property
    def is_limited(self) -> bool:
        return any(limit.tokens_per_minute or limit.micros_per_day for limit in self.limits)


class Holder(Enum):
    """Who holds what a call may take."""

    REDIS = auto()
    HERE = auto()
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class Grant:
    """The call may begin. `second` is when it was granted, in seconds since 1970, by the holder's clock."""

    second: int
    holder: Holder


class BudgetRefusalKind(Enum):
    """What there is too little of. The values are the script's."""

    TOKENS = 1
    MONEY = 2
    KNOWLEDGE = 3
    """Nobody can count now."""


@dataclass(frozen=True, slots=True)
class BudgetRefusal:
    """The call may not begin. `used` is in tokens or micros. `wait_s` says when to ask again; None: it is no use."""

    limit: BudgetLimit
    kind: BudgetRefusalKind
    used: int
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class Booking:
    """What a call took that ended. `micros` is its cost."""

    claim: Claim
    grant: Grant
    provider: str
    tokens: int
    micros: int


@dataclass(frozen=True, slots=True)
class Granted:
    """A claim that was granted, and the micros that each of its accounts then had spent and held."""

    grant: Grant
    micros: Sequence[int]


class BudgetLedger(Protocol):
    """Where the books of all budgets are kept, for all routers."""

    async def reserve(self, claim: Claim) -> Granted | BudgetRefusal:
        """Holds what a claim is for, in all of its accounts or in none. Raises StoreAway when that is not known."""
        ...

    def book(self, booking: Booking) -> None:
        """Books what a call took, soon, and gives back what was held for it."""
        ...

    async def costs_today(self, tenant: str) -> Mapping[str, int]:
        """Returns the micros of a tenant's calls today, by provider; all tenants' when none is named.

        Raises:
            StoreAway: that cannot be told now.
        """
        ...


class BudgetSpent(Exception):
    """A call would break a budget. `wait_s` says after how long it may be asked for again; None: it never fits."""

    def __init__(self, error: job_pb2.JobError, wait_s: float | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_s = wait_s


def budget_spent(refusal: BudgetRefusal, claim: Claim, currency: str) -> BudgetSpent:
    """Says which budget has no room, with the numbers, and what helps."""
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
