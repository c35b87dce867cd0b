"""Budgets: what may be spent, what is left, and the refusal when nothing is."""

from dataclasses import dataclass
from decimal import Decimal

from weft.common.v1 import budget_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2
from weft_kit.rpc.errors import WeftError

MICROS = 1_000_000
"""Micros in a currency's unit: money is counted in these."""


def budget(tokens_per_minute: int = 0, money_per_day: Decimal | float = 0) -> budget_pb2.Budget:
    """Returns a budget, its money in the currency of the mesh's price list. 0 means no limit."""
    # Through its text: 0.1 is meant, and not the nearest binary fraction.
    micros = int(Decimal(str(money_per_day)) * MICROS)
    return budget_pb2.Budget(tokens_per_minute=tokens_per_minute, micros_per_day=micros)


def tokens_left(spending: gateway_pb2.Spending) -> int | None:
    """Returns the tokens that calls may use now; None without a limit."""
    limit = spending.budget.tokens_per_minute
    return max(0, limit - spending.tokens_last_minute) if limit else None


def micros_left(spending: gateway_pb2.Spending) -> int | None:
    """Returns the money that calls may cost today, in micros; None without a limit."""
    limit = spending.budget.micros_per_day
    return max(0, limit - spending.micros_today - spending.micros_held) if limit else None


@dataclass(frozen=True)
class SpentBudget:
    """An exhausted budget, as a refused call reports it.

    `budget` is "tokens_per_minute" or "micros_per_day", and the unit of `limit` and `spent`; `account` is "tenant" or
    "key". After `wait_s` seconds some of it is free again.
    """

    budget: str
    account: str
    limit: int
    spent: int
    wait_s: float

    @classmethod
    def of(cls, error: WeftError) -> "SpentBudget | None":
        """Returns the budget that an error is about; None if it is about something else."""
        said = error.metadata
        if error.reason != error_pb2.ERROR_REASON_QUOTA_EXCEEDED or "budget" not in said:
            return None
        return cls(
            budget=said["budget"],
            account=said["account"],
            limit=int(said["limit"]),
            spent=int(said["spent"]),
            wait_s=error.retry_after_s or 0.0,
        )
