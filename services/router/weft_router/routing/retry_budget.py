"""Limits retries and hedges to a share of first calls, so that they do not overload providers when all calls need
them.
"""

from collections import deque

from weft_kit.catalog.routing import Extra, Hedge


class RetryBudget:
    """Allows extra calls while they are at most `share` of the first ones, or `floor`, in any `over_s` seconds.

    Times are of one steady clock; what is counted is kept by tenths of `over_s`.
    """

    def __init__(self, share: float, floor: int, over_s: float) -> None:
        self._share = share
        self._floor = floor
        self._slice_s = over_s / 10
        self._slices: deque[tuple[int, int, int]] = deque()
        """Number of the slice, first calls, extra calls."""
        self._first = 0
        self._extra = 0

    def called(self, now: float) -> None:
        """Notes a first call."""
        self._count(now, 1, 0)

    def take(self, now: float) -> bool:
        """Returns whether an extra call may be made now, and counts it if so."""
        self._forget(now)
        if self._extra + 1 > max(self._floor, self._share * self._first):
            return False
        self._count(now, 0, 1)
        return True

    def _count(self, now: float, first: int, extra: int) -> None:
        self._forget(now)
        number = int(now / self._slice_s)
        if self._slices and self._slices[-1][0] == number:
            _, had_first, had_extra = self._slices.pop()
            self._slices.append((number, had_first + first, had_extra + extra))
        else:
            self._slices.append((number, first, extra))
        self._first += first
        self._extra += extra

    def _forget(self, now: float) -> None:
        oldest = int(now / self._slice_s) - 10
        while self._slices and self._slices[0][0] <= oldest:
            _, first, extra = self._slices.popleft()
            self._first -= first
            self._extra -= extra


_HEDGES_OVER_S = 60.0


class RetryBudgets:
    """Counts retries and hedges of each alias, for this replica."""

    def __init__(self) -> None:
        self._retries: dict[str, tuple[Extra, RetryBudget]] = {}
        self._hedges: dict[str, tuple[Hedge, RetryBudget]] = {}

    def retries(self, alias: str, extra: Extra) -> RetryBudget:
        settings, retry_budget = self._retries.get(alias, (None, None))
        if retry_budget is None or settings != extra:
            retry_budget = RetryBudget(extra.share, extra.floor, extra.over_s)
            self._retries[alias] = extra, retry_budget
        return retry_budget

    def hedges(self, alias: str, hedge: Hedge) -> RetryBudget:
        settings, retry_budget = self._hedges.get(alias, (None, None))
        if retry_budget is None or settings != hedge:
            retry_budget = RetryBudget(hedge.share, hedge.floor, _HEDGES_OVER_S)
            self._hedges[alias] = hedge, retry_budget
        return retry_budget
