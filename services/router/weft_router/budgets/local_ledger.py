"""Budgets counted in this process while the shared ones cannot be reached."""

from collections import defaultdict
from dataclasses import dataclass, field

from weft_kit.spending import WINDOW_S, SpendingAccount, day_end_s, day_of, frees_after_s, in_window
from weft_router.budgets.claims import BudgetLimit, BudgetRefusal, BudgetRefusalKind, Claim, Grant, Holder

_SOON_S = 1.0


@dataclass(slots=True)
class _Standing:
    """`micros` are spent and reserved on `day`; `held_tokens` belong to calls in progress."""

    seconds: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    held_tokens: int = 0
    day: int = 0
    micros: int = 0
    held_micros: int = 0

    def at(self, now_s: int) -> "_Standing":
        """Returns the same without what no longer counts."""
        if day_of(now_s) > self.day:
            self.day, self.micros, self.held_micros = day_of(now_s), 0, 0
        for second in [second for second in self.seconds if now_s - second > WINDOW_S]:
            del self.seconds[second]
        return self


class LocalLedger:
    """Applies the same rules as the script. Money continues from what Redis said last; tokens begin with a full minute.

    Tracks the accounts with limits, whose number is up to the operators.
    """

    def __init__(self) -> None:
        self._standings: dict[SpendingAccount, _Standing] = defaultdict(_Standing)

    def saw(self, account: SpendingAccount, now_s: int, micros: int) -> None:
        """Notes what Redis says was spent and reserved today, by all routers."""
        self._standings[account].at(now_s).micros = micros

    def reserve(self, claim: Claim, now_s: int) -> Grant | BudgetRefusal:
        """Reserves a claim in all of its accounts or in none."""
        for limit in claim.limits:
            if refusal := self._refusal(limit, claim, now_s):
                return refusal
        for limit in claim.limits:
            standing = self._standings[limit.account]
            standing.seconds[now_s] += claim.tokens
            standing.held_tokens += claim.tokens
            standing.micros += claim.micros
            standing.held_micros += claim.micros
        return Grant(now_s, Holder.HERE)

    def settle(self, claim: Claim, grant: Grant, tokens: int, micros: int) -> None:
        """Replaces a reservation by what was really used."""
        for limit in claim.limits:
            standing = self._standings[limit.account]
            standing.held_tokens -= claim.tokens
            if grant.second in standing.seconds:
                standing.seconds[grant.second] += tokens - claim.tokens
            if standing.day == day_of(grant.second):
                standing.micros += micros - claim.micros
                standing.held_micros -= claim.micros

    def _refusal(self, limit: BudgetLimit, claim: Claim, now_s: int) -> BudgetRefusal | None:
        standing = self._standings[limit.account].at(now_s)
        used, allowed = in_window(standing.seconds, now_s), limit.tokens_per_minute
        over = used + claim.tokens - allowed
        if allowed and over > 0:
            later_s = _SOON_S if over <= standing.held_tokens else frees_after_s(standing.seconds, now_s, over)
            return BudgetRefusal(limit, BudgetRefusalKind.TOKENS, used, None if claim.tokens > allowed else later_s)
        over = standing.micros + claim.micros - limit.micros_per_day
        if limit.micros_per_day and claim.micros and over > 0:
            later_s = _SOON_S if over <= standing.held_micros else day_end_s(now_s) - now_s
            return BudgetRefusal(
                limit,
                BudgetRefusalKind.MONEY,
                standing.micros,
                None if claim.micros > limit.micros_per_day else later_s,
            )
        return None
