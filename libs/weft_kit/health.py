"""grpc.health.v1 for a server that drains: whoever watches hears NOT_SERVING, and then the watch ends.

grpcio-health-checking's own servicer keeps watches open through a shutdown, so that one watching client makes every
drain last its whole grace period.
"""

import asyncio
from collections.abc import AsyncIterator, Collection

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc as rpc

LIVENESS = "liveness"
"""Name under which the process answers while it lives, for those who would restart it."""


class Health(rpc.HealthServicer):  # type: ignore[misc]  # its package ships no types
    """Serves the status of the process under its own name (""), as liveness, and each service's."""

    def __init__(self, services: Collection[str]) -> None:
        self._known = {"", LIVENESS, *services}
        self._draining = asyncio.Event()

    def drain(self) -> None:
        self._draining.set()

    async def Check(
        self, request: pb.HealthCheckRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.HealthCheckResponse:
        if request.service not in self._known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here; ask reflection which there are")
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: pb.HealthCheckRequest, _: object) -> AsyncIterator[pb.HealthCheckResponse]:
        told = self._status(request.service)
        yield pb.HealthCheckResponse(status=told)
        await self._draining.wait()
        if told != self._status(request.service):
            yield pb.HealthCheckResponse(status=self._status(request.service))

    def _status(self, service: str) -> pb.HealthCheckResponse.ServingStatus.ValueType:
        if service not in self._known:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        return pb.HealthCheckResponse.NOT_SERVING if self._draining.is_set() else pb.HealthCheckResponse.SERVING
