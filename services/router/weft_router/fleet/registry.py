"""The providers of the catalog, opened, each with its statistics."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from weft.job.v1 import job_pb2
from weft_kit.catalog.catalog import Catalog, Route
from weft_kit.rpc.errors import InvalidFields
from weft_router.fleet.calls import ProviderCall
from weft_router.fleet.concurrency import ConcurrencyLimit, Waiter, room_at_any
from weft_router.fleet.health import ProviderHealth
from weft_router.job.job import JobOrder
from weft_router.providers.probe import ProbedProvider
from weft_router.providers.provider import Provider
from weft_router.routing.retry_policy import provider_failures, refusing_routes
from weft_router.routing.selection import RouteCandidate


class _Past(NamedTuple):
    """What happened to one job: its failures by provider, and the routes that refused it permanently."""

    failures: Counter[str]
    refusing: Collection[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Registered:
    """One provider, ready to be called, with the health of each of its models that a route names."""

    name: str
    kind: str
    provider: Provider
    models: dict[str, ProviderHealth]
    concurrency_limit: ConcurrencyLimit
    region: str = ""


class Registry:
    """Knows every provider by name, in the order of the catalog."""

    def __init__(self, catalog: Catalog, providers: Mapping[str, Registered]) -> None:
        self.catalog = catalog
        self.providers = providers

    def serving(self, alias: str) -> list[str]:
        """Returns the names of the providers that serve an alias, most preferred first; none for an unknown one."""
        model = self.catalog.models.get(alias)
        return list(dict.fromkeys(route.provider for route in model.routes)) if model else []

    def patients(self, names: Sequence[str]) -> list[ProbedProvider]:
        """Returns the providers of these names, or all, in the order of the catalog, ready to be probed.

        Raises:
            InvalidFields: no provider has one of the names.
        """
        known = ", ".join(self.providers)
        unknown = [place for place, name in enumerate(names) if name not in self.providers]
        if unknown:
            raise InvalidFields({f"names[{place}]": f"must be one of {known}" for place in unknown})
        chosen = [one for one in self.providers.values() if not names or one.name in names]
        return [ProbedProvider(one.name, one.kind, one.provider, self._first_model(one.name)) for one in chosen]

    def health(self, route: Route) -> ProviderHealth:
        return self.providers[route.provider].models[route.model]

    def healths(self) -> Iterator[tuple[str, str, ProviderHealth]]:
        """Yields provider, model and health for every model that a route names."""
        for registered in self.providers.values():
            for model, health in registered.models.items():
                yield registered.name, model, health

    def call(self, route: Route) -> ProviderCall:
        """Begins a call, for health and limits."""
        return ProviderCall(self.health(route), self.providers[route.provider].concurrency_limit)

    def candidates(
        self,
        orders: Mapping[str, JobOrder],
        attempts: Sequence[job_pb2.Attempt],
        region: str = "",
        prompt_tokens: int = 0,
    ) -> list[RouteCandidate]:
        """Returns the routes of an alias and its fallbacks, with what is known now and what happened to this job.

        `region` is preferred to those of the aliases.
        """
        now = time.monotonic()
        past = _Past(provider_failures(attempts), refusing_routes(attempts))
        return [
            self._candidate(route, name, tier, order, past, region, prompt_tokens, now)
            for tier, (name, order) in enumerate(orders.items())
            for route in order.alias.routes
        ]

    async def room(self, candidates: Sequence[RouteCandidate], waiter: Waiter) -> None:
        """Returns when a provider that is only at its limit may have capacity again for the waiter."""
        names = dict.fromkeys(one.route.provider for one in candidates if one.allowed and not one.has_room)
        await room_at_any([self.providers[name].concurrency_limit for name in names], waiter)

    def _candidate(
        self, route: Route, name: str, tier: int, order: JobOrder, past: _Past, region: str, prompt: int, now: float
    ) -> RouteCandidate:
        registered = self.providers[route.provider]
        health = registered.models[route.model]
        wanted = region or order.alias.prefer_region
        return RouteCandidate(
            route,
            allowed=health.breaker.allows(now),
            failures=past.failures[route.provider],
            refused=(route.provider, route.model) in past.refusing,
            alias=name,
            selection=order.alias.selection,
            tier=tier,
            has_room=registered.concurrency_limit.caps.has_room(now),
            first_token_s=health.expected_first_token_s(now),
            in_flight=health.in_flight,
            cost_micros=self._cost_micros(route, prompt, order) if order.alias.selection == "cheapest" else None,
            near=not wanted or registered.region == wanted,
        )

    def _cost_micros(self, route: Route, prompt_tokens: int, order: JobOrder) -> int | None:
        prices = self.catalog.prices
        price = prices.of(route.provider, route.model) if prices else None
        return price.most_micros(prompt_tokens, order.max_tokens) if price else None

    def _first_model(self, name: str) -> str:
        return next(iter(self.catalog.serving(name)), "")
