"""What each alias may have beside its first calls, kept for as long as its settings stay."""

from weft_kit.catalog.routing import Extra, Hedge
from weft_router.routing.retry_budget import Allowance

_HEDGES_OVER_S = 60.0


class Allowances:
    """Counts retries and hedges of each alias, for this replica."""

    def __init__(self) -> None:
        self._retries: dict[str, tuple[Extra, Allowance]] = {}
        self._hedges: dict[str, tuple[Hedge, Allowance]] = {}

    def retries(self, alias: str, extra: Extra) -> Allowance:
        settings, allowance = self._retries.get(alias, (None, None))
        if allowance is None or settings != extra:
            allowance = Allowance(extra.share, extra.floor, extra.over_s)
            self._retries[alias] = extra, allowance
        return allowance

    def hedges(self, alias: str, hedge: Hedge) -> Allowance:
        settings, allowance = self._hedges.get(alias, (None, None))
        if allowance is None or settings != hedge:
            allowance = Allowance(hedge.share, hedge.floor, _HEDGES_OVER_S)
            self._hedges[alias] = hedge, allowance
        return allowance
