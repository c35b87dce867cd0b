"""Which route to take: pure rules."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from weft_kit.catalog.catalog import Route
from weft_kit.catalog.routing import Selection

Draw = Callable[[], float]
"""Draws a number from [0, 1)."""


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """A route with its current state. Candidates come in order of preference."""

    route: Route
    allowed: bool
    """Whether its breaker lets a call pass."""
    failures: int
    """How often its provider failed this very job."""
    refused: bool = False
    """Whether this very route has permanently refused this very job."""
    alias: str = ""
    selection: Selection = "priority"
    """How its alias wants to choose."""
    tier: int = 0
    """How many aliases of the chain come before its own."""
    has_room: bool = True
    """Whether the provider's limits allow a call."""
    first_token_s: float = 0.0
    """Time expected to the first token; 0 when that is not known."""
    in_flight: int = 0
    cost_micros: int | None = None
    """The most that the call can cost; None without a price."""
    near: bool = True
    """Whether it is in the preferred region, or there is none."""

    @property
    def load(self) -> float:
        """The expected time to the first token, times the calls that share it; an unknown time counts as fast."""
        return self.first_token_s * (self.in_flight + 1)


@dataclass(frozen=True, slots=True)
class Choice:
    """The route to call, and the reason for the record."""

    route: Route
    because: str
    alias: str = ""


def remaining(candidates: Sequence[RouteCandidate]) -> Sequence[RouteCandidate]:
    """Returns the routes that have not refused the job; all of them if every route has."""
    return [one for one in candidates if not one.refused] or candidates


def choose(candidates: Sequence[RouteCandidate], draw: Draw, beside: Collection[str] = ()) -> Choice | None:
    """Returns the route to call, of those that remain, whose breaker is closed and that have capacity; None if there is
    none.

    Routes come first whose providers failed this job least, then the alias's own before its fallbacks', then those in
    the preferred region. Among equals the alias's selection decides. Providers in `beside` are being called already.
    """
    left = remaining(candidates)
    open_ = [one for one in left if one.allowed and one.has_room and one.route.provider not in beside]
    if not open_:
        return None
    best = min(map(_rank, open_))
    equals = [one for one in open_ if _rank(one) == best]
    chosen, because = _SELECT[equals[0].selection](equals, draw)
    return Choice(chosen.route, _because(candidates, chosen, because), chosen.alias)


def _rank(candidate: RouteCandidate) -> tuple[int, int, bool]:
    return candidate.failures, candidate.tier, not candidate.near


def _because(candidates: Sequence[RouteCandidate], chosen: RouteCandidate, because: str) -> str:
    if chosen.tier:
        because = f"fallback to {chosen.alias}: {because}"
    if chosen.failures:
        return f"fewest failures for this job ({chosen.failures})"
    if len(candidates) == 1:
        return "the only route"
    before = candidates[: candidates.index(chosen)]
    if any(one.tier == chosen.tier and one.refused for one in before):
        return "more preferred routes refused it"
    if any(one.tier == chosen.tier and (not one.allowed or one.failures) for one in before):
        return "more preferred routes are failing"
    if any(one.tier == chosen.tier and not one.has_room for one in before):
        return "more preferred routes are full"
    return because


def _most_preferred(equals: Sequence[RouteCandidate], _draw: Draw) -> tuple[RouteCandidate, str]:
    return equals[0], "most preferred route"


def _fastest(equals: Sequence[RouteCandidate], draw: Draw) -> tuple[RouteCandidate, str]:
    """Takes the less loaded of two random routes: the best of all would be everyone's choice at once.

    (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.)
    """
    first = int(draw() * len(equals))
    second = (first + 1 + int(draw() * (len(equals) - 1))) % len(equals)
    pair = [equals[place] for place in sorted({first, second})]
    best = min(pair, key=lambda one: (one.load, one.in_flight))
    return best, f"first token expected soonest, in {best.load * 1000:.0f} ms"


def _cheapest(equals: Sequence[RouteCandidate], _draw: Draw) -> tuple[RouteCandidate, str]:
    priced = [one for one in equals if one.cost_micros is not None]
    if not priced:
        return equals[0], "most preferred route, for none has a price"
    return min(priced, key=lambda one: one.cost_micros or 0), "cheapest route"


def _weighted(equals: Sequence[RouteCandidate], draw: Draw) -> tuple[RouteCandidate, str]:
    bounds = list(accumulate(one.route.weight for one in equals))
    drawn = draw() * bounds[-1]
    chosen = next(one for one, bound in zip(equals, bounds, strict=True) if drawn < bound)
    return chosen, f"drawn with weight {chosen.route.weight:g} of {bounds[-1]:g}"


_SELECT: dict[Selection, Callable[[Sequence[RouteCandidate], Draw], tuple[RouteCandidate, str]]] = {
    "priority": _most_preferred,
    "fastest": _fastest,
    "cheapest": _cheapest,
    "weighted": _weighted,
}
