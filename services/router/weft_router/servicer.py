"""RouterService on the wire."""

import time

from google.protobuf import duration_pb2, timestamp_pb2

from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_router.breaker import BreakerState
from weft_router.health import ProviderHealth
from weft_router.registry import Registered, Registry

_BREAKERS = {
    BreakerState.CLOSED: pb.Provider.BREAKER_CLOSED,
    BreakerState.OPEN: pb.Provider.BREAKER_OPEN,
    BreakerState.HALF_OPEN: pb.Provider.BREAKER_HALF_OPEN,
}


class RouterServicer(rpc.RouterServiceServicer):
    """Tells what this replica has seen."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ListProviders(self, request: pb.ListProvidersRequest, _: object) -> pb.ListProvidersResponse:
        names = self._registry.serving(request.model) if request.model else self._registry.providers
        return pb.ListProvidersResponse(providers=[self._provider(self._registry.providers[name]) for name in names])

    async def ListModels(self, _request: pb.ListModelsRequest, _: object) -> pb.ListModelsResponse:
        models = self._registry.catalog.models
        return pb.ListModelsResponse(
            models=[pb.Model(name=name, providers=self._registry.serving(name)) for name in models]
        )

    def _provider(self, registered: Registered) -> pb.Provider:
        health = registered.health
        breaker = health.breaker.state(time.monotonic())
        return pb.Provider(
            name=registered.name,
            kind=registered.kind,
            provider_models=self._registry.catalog.serving(registered.name),
            state=_state(health, breaker),
            breaker=_BREAKERS[breaker],
            first_token_p50=_duration(health.first_token_quantile_s(0.5)),
            first_token_p95=_duration(health.first_token_quantile_s(0.95)),
            in_flight=health.in_flight,
            succeeded=health.succeeded,
            failed=health.failed,
            last_error=health.last_error,
            last_error_time=_timestamp(health.last_error_unix_s),
        )


def _state(health: ProviderHealth, breaker: BreakerState) -> pb.Provider.State.ValueType:
    if breaker is BreakerState.OPEN:
        return pb.Provider.STATE_DOWN
    if health.last_call_succeeded is None:
        return pb.Provider.STATE_UNSPECIFIED
    return pb.Provider.STATE_HEALTHY if health.last_call_succeeded else pb.Provider.STATE_DEGRADED


def _duration(seconds: float | None) -> duration_pb2.Duration | None:
    if seconds is None:
        return None
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration


def _timestamp(unix_s: float) -> timestamp_pb2.Timestamp | None:
    if not unix_s:
        return None
    timestamp = timestamp_pb2.Timestamp()
    timestamp.FromMicroseconds(round(unix_s * 1e6))
    return timestamp
