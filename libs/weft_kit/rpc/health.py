"""grpc.health.v1: whether to send calls here, for each service, and separately whether the process is alive.

    ""                    the process is ready: everything that it needs is available
    a service's name      the same for this service, which may need less
    "liveness"            the process answers, whatever else is missing; restart it if it does not

While the server drains, watchers get NOT_SERVING, and then the watch ends. grpcio-health-checking's own servicer keeps
watches open during a shutdown, so that a single watcher would make every drain take its whole grace period.
"""

import asyncio
from collections.abc import AsyncIterator, Collection

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc as rpc

from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import DependencyDown
from weft_kit.rpc.readiness import WHOLE, Need, Readiness

LIVENESS = "liveness"
"""The name to ask for to learn whether the process is alive, or must be restarted."""
_PEER_LIMIT_S = 1.0


def peer_need(service: str, channel: Channel) -> Need:
    """Returns the dependency of a forwarded service: its peer must report the service as ready."""

    async def check() -> None:
        call = rpc.HealthStub(channel.raw).Check(pb.HealthCheckRequest(service=service), **channel.call(_PEER_LIMIT_S))
        answer = await channel.unary(call)
        if answer.status != pb.HealthCheckResponse.SERVING:
            raise DependencyDown(channel.dependency, f"{channel.dependency} says that it is not ready; see its log")

    return Need(channel.dependency, check, frozenset({service}))


class Health(rpc.HealthServicer):  # type: ignore[misc]  # its package ships no types
    """Serves the status of the process (""), its liveness, and the status of each service."""

    def __init__(self, services: Collection[str], readiness: Readiness) -> None:
        self._known = {WHOLE, LIVENESS, *services}
        self._readiness = readiness
        self._draining = False
        self._news = asyncio.Event()
        readiness.on_change(self._tell)

    def drain(self) -> None:
        self._draining = True
        self._tell()

    async def Check(
        self, request: pb.HealthCheckRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.HealthCheckResponse:
        if request.service not in self._known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here; ask reflection which there are")
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: pb.HealthCheckRequest, _: object) -> AsyncIterator[pb.HealthCheckResponse]:
        told = None
        while True:
            news, status = self._news, self._status(request.service)
            if status != told:
                yield pb.HealthCheckResponse(status=status)
                told = status
            elif self._draining:
                return
            else:
                await news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _status(self, service: str) -> pb.HealthCheckResponse.ServingStatus.ValueType:
        if service not in self._known:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        serves = service == LIVENESS or (not self._draining and self._readiness.is_ready(service))
        return pb.HealthCheckResponse.SERVING if serves else pb.HealthCheckResponse.NOT_SERVING
