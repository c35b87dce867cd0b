"""Finished answers on their way to the cache service and back; it may be away without anybody noticing."""

import asyncio
from types import TracebackType
from typing import Self

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_kit.cache_mode import cache_mode
from weft_kit.channel import Channel
from weft_kit.errors import WeftError
from weft_router import metrics

_LIMIT_S = 2.0
_MOST_UNDER_WAY = 256


def may_be_stored(request: job_pb2.GenerationRequest, answer: job_pb2.Answer) -> bool:
    """Say whether the policy lets this answer serve again, and whether it is whole."""
    if answer.finish_reason != chat_pb2.FINISH_REASON_STOP or answer.tool_calls:
        return False
    return cache_mode(request) != job_pb2.CACHE_MODE_OFF


class AnswerCache:
    """Stores answers without keeping anybody waiting. Leaving the context waits for those under way."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._stub: cache_pb2_grpc.CacheServiceAsyncStub = cache_pb2_grpc.CacheServiceStub(channel.raw)
        self._under_way: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)

    def keep(self, request: job_pb2.GenerationRequest, collection_version: int, answer: job_pb2.Answer) -> None:
        """Store an answer in the background, if it may serve again; too many at once are dropped and counted."""
        if not may_be_stored(request, answer):
            return
        if len(self._under_way) >= _MOST_UNDER_WAY:
            metrics.CACHE_STORES.labels("dropped").inc()
            return
        stored = cache_pb2.StoreRequest(request=request, collection_version=collection_version, answer=answer)
        task = asyncio.create_task(self._store(stored))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def find(self, request: job_pb2.GenerationRequest, collection_version: int) -> cache_pb2.Found | None:
        """Return a stored answer that the request's policy lets serve; None when there is none, or no cache."""
        if cache_mode(request) == job_pb2.CACHE_MODE_OFF:
            return None
        wanted = cache_pb2.LookupRequest(request=request, collection_version=collection_version)
        try:
            response = await self._channel.unary(self._stub.Lookup(wanted, **self._channel.call(_LIMIT_S)))
        except WeftError:
            return None
        return response.found if response.HasField("found") else None

    async def _store(self, request: cache_pb2.StoreRequest) -> None:
        try:
            response = await self._channel.unary(self._stub.Store(request, **self._channel.call(_LIMIT_S)))
        except WeftError:
            metrics.CACHE_STORES.labels("failed").inc()
            return
        metrics.CACHE_STORES.labels("stored" if response.stored else "refused").inc()
