"""RouterService's RPCs."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from google.protobuf import duration_pb2, timestamp_pb2

from weft.common.v1 import budget_pb2, catalog_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.cache_key import MODES
from weft_kit.catalog.prices import Prices
from weft_kit.catalog.watch import WatchedCatalog
from weft_kit.rpc.context import current, remaining
from weft_kit.rpc.time import elapsed, unix_timestamp
from weft_router.budgets.budgets import Budgets
from weft_router.fleet.breaker import BreakerState
from weft_router.fleet.health import ProviderHealth, quantile_s
from weft_router.fleet.registry import Registered, Registry
from weft_router.providers.probe import Finding, probe

_CHECK_LIMIT_S = 10.0

_BREAKERS = {
    BreakerState.CLOSED: pb.Provider.BREAKER_CLOSED,
    BreakerState.OPEN: pb.Provider.BREAKER_OPEN,
    BreakerState.HALF_OPEN: pb.Provider.BREAKER_HALF_OPEN,
}


class RouterServicer(rpc.RouterServiceServicer):
    """Reports what this replica has observed."""

    def __init__(self, registry: Callable[[], Registry], budgets: Budgets, catalog: WatchedCatalog) -> None:
        self._current = registry
        self._budgets = budgets
        self._catalog = catalog

    @property
    def _registry(self) -> Registry:
        return self._current()

    async def ListProviders(self, request: pb.ListProvidersRequest, _: object) -> pb.ListProvidersResponse:
        registry = self._registry
        names = registry.serving(request.model) if request.model else registry.providers
        prices = registry.catalog.prices
        costs = await self._budgets.costs_today(current().tenant) if prices else None
        return pb.ListProvidersResponse(
            providers=[_provider(registry.providers[name], prices, costs) for name in names],
            catalog=self._catalog_status(),
        )

    async def ListModels(self, _request: pb.ListModelsRequest, _: object) -> pb.ListModelsResponse:
        models = self._registry.catalog.models
        return pb.ListModelsResponse(
            models=[
                pb.Model(name=name, providers=self._registry.serving(name), cache_mode=MODES[model.cache])
                for name, model in models.items()
            ],
            catalog=self._catalog_status(),
        )

    async def CheckProviders(self, request: pb.CheckProvidersRequest, _: object) -> pb.CheckProvidersResponse:
        findings = await probe(self._registry.patients(request.names), remaining(_CHECK_LIMIT_S))
        return pb.CheckProvidersResponse(checks=[_check(finding) for finding in findings])

    def _catalog_status(self) -> catalog_pb2.CatalogStatus:
        return self._catalog.status(with_problems=not current().tenant)


def _provider(registered: Registered, prices: Prices | None, costs: Mapping[str, int] | None) -> pb.Provider:
    now = time.monotonic()
    healths = list(registered.models.values())
    first_tokens_s = [seconds for health in healths for seconds in health.first_tokens_s]
    latest = max(healths, key=lambda health: health.last_error_unix_s, default=None)
    errors: Counter[str] = sum((health.errors for health in healths), Counter())
    return pb.Provider(
        name=registered.name,
        kind=registered.kind,
        provider_models=list(registered.models),
        state=_state(healths, now),
        breaker=_BREAKERS[_breaker(healths, now)],
        first_token_p50=_duration(quantile_s(first_tokens_s, 0.5)),
        first_token_p95=_duration(quantile_s(first_tokens_s, 0.95)),
        tokens_per_second=max((health.tokens_per_second for health in healths), default=0.0),
        in_flight=registered.concurrency_limit.caps.in_flight,
        succeeded=sum(health.succeeded for health in healths),
        failed=sum(health.failed for health in healths),
        errors=dict(errors),
        last_error=latest.last_error if latest else "",
        last_error_time=_timestamp(latest.last_error_unix_s if latest else 0.0),
        region=registered.region,
        models=[_model(name, health, now) for name, health in registered.models.items()],
        cost_today=_cost(registered.name, prices, costs),
        unpriced_models=[name for name in registered.models if prices and not prices.of(registered.name, name)],
    )


def _cost(provider: str, prices: Prices | None, costs: Mapping[str, int] | None) -> budget_pb2.Cost | None:
    if prices is None or costs is None:
        return None
    return budget_pb2.Cost(micros=costs.get(provider, 0), currency=prices.currency)


def _model(name: str, health: ProviderHealth, now: float) -> pb.ProviderModel:
    return pb.ProviderModel(
        name=name,
        breaker=_BREAKERS[health.breaker.state(now)],
        first_token_p50=_duration(quantile_s(health.first_tokens_s, 0.5)),
        first_token_p95=_duration(quantile_s(health.first_tokens_s, 0.95)),
        tokens_per_second=health.tokens_per_second,
        in_flight=health.in_flight,
        succeeded=health.succeeded,
        failed=health.failed,
    )


def _check(finding: Finding) -> pb.ProviderCheck:
    error = finding.error.to_wire() if finding.error else None
    return pb.ProviderCheck(name=finding.name, kind=finding.kind, latency=_duration(finding.after_s), error=error)


def _breaker(healths: Sequence[ProviderHealth], now: float) -> BreakerState:
    """Returns the state of a provider whose models have their own breakers: open only if all are."""
    states = {health.breaker.state(now) for health in healths}
    if not states or BreakerState.CLOSED in states:
        return BreakerState.CLOSED
    return BreakerState.HALF_OPEN if BreakerState.HALF_OPEN in states else BreakerState.OPEN


def _state(healths: Sequence[ProviderHealth], now: float) -> pb.Provider.State.ValueType:
    if _breaker(healths, now) is BreakerState.OPEN:
        return pb.Provider.STATE_DOWN
    asked = [health.last_call_succeeded for health in healths if health.last_call_succeeded is not None]
    if not asked:
        return pb.Provider.STATE_UNSPECIFIED
    return pb.Provider.STATE_HEALTHY if all(asked) else pb.Provider.STATE_DEGRADED


def _duration(seconds: float | None) -> duration_pb2.Duration | None:
    return None if seconds is None else elapsed(seconds)


def _timestamp(unix_s: float) -> timestamp_pb2.Timestamp | None:
    return unix_timestamp(unix_s) if unix_s else None
