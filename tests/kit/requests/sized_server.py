"""A server, also in a process of its own, where its memory and its log can be looked at.

Run it with `python -m tests.kit.requests.sized_server`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft_kit import logging
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.context import CallContext
from weft_kit.rpc.errors import Unauthenticated
from weft_kit.rpc.server import Server, Service

KEY = "Bearer good"


async def keyed(_method: str, metadata: Mapping[str, str], _peer: str) -> CallContext:
    """Lets in whoever has the key."""
    if metadata.get("authorization") != KEY:
        raise Unauthenticated("the key is wrong; send another")
    return CallContext(tenant=metadata.get("tenant", "acme"))


class Sized(cache_pb2_grpc.CacheServiceServicer, inference_pb2_grpc.InferenceServiceServicer):
    """Answers with the size of what was asked, and holds a request that asks for it until `go` is set."""

    def __init__(self) -> None:
        self.holds = asyncio.Event()
        self.go = asyncio.Event()
        self.answer: object = cache_pb2.InvalidateResponse()

    async def GetStats(self, request, rpc):
        return cache_pb2.GetStatsResponse(entries=request.ByteSize())

    async def Invalidate(self, request, rpc):
        return self.answer

    async def Store(self, request, rpc):
        self.holds.set()
        await self.go.wait()
        return cache_pb2.StoreResponse()

    async def Generate(self, request, rpc) -> AsyncIterator[inference_pb2.GenerateResponse]:
        yield inference_pb2.GenerateResponse(admitted=inference_pb2.Admitted(model=request.model))


def serving(sized: Sized, limits: RequestLimits | None = None) -> Server:
    services = (
        Service("weft.cache.v1.CacheService", cache_pb2_grpc.add_CacheServiceServicer_to_server, sized),
        Service("weft.inference.v1.InferenceService", inference_pb2_grpc.add_InferenceServiceServicer_to_server, sized),
    )
    return Server("127.0.0.1:0", services, grace_s=0, gate=keyed, limits=limits)


async def _serve() -> None:
    logging.configure("sized", "json")
    async with serving(Sized(), RequestLimits(separates_peers=True)) as server:
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
