"""Tells the cache which documents changed, so that answers based on them are not served again."""

from typing import Final

import grpc
import structlog
from prometheus_client import Counter

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.errors import WeftError
from weft_retrieval.storage.invalidation_outbox import Forgotten, InvalidationOutbox, Taken

TOLD = Counter("weft_retrieval_forgotten_documents", "Documents the cache was told to forget.")
SET_ASIDE = Counter("weft_retrieval_unforgotten_documents", "Documents the cache refused to forget, and set aside.")

_LIMIT_S = 5.0
# As many as one call may name.
_BATCH = 1000
_MOST_CALLS = 100
"""Calls in one round: the rest is taken in the next round, without what was sent or refused."""
_AWAY: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""The status codes of a cache that would answer the same for any document."""


class Invalidation:
    """Works off the outbox, a batch at a time. Without a cache the outbox is only emptied."""

    def __init__(self, outbox: InvalidationOutbox, cache: Channel | None) -> None:
        self._outbox = outbox
        self._cache = cache

    async def tell(self) -> int:
        """Tells the cache of the oldest documents; returns of how many it is sure now, told or refused.

        Documents that are refused together are sent in halves, until each refused one is alone: it is retried later,
        and finally set aside. Raises the error if the cache cannot be reached; then everything not sent stays.
        """
        failure: WeftError | None = None
        async with self._outbox.taken(_BATCH) as taken:
            round_ = _Round(self._cache, taken)
            try:
                for documents in taken.forgotten:
                    await round_.tell(documents)
            except WeftError as error:
                failure = error
        if failure:
            raise failure
        return round_.settled


class _Round:
    def __init__(self, cache: Channel | None, taken: Taken) -> None:
        self._cache = cache
        self._taken = taken
        self._calls = 0
        self.settled = 0

    async def tell(self, documents: Forgotten) -> None:
        if self._calls == _MOST_CALLS:
            return
        self._calls += 1
        refusal = await _refusal(self._cache, documents) if self._cache else None
        if refusal is None:
            await self._taken.told(documents)
            TOLD.inc(len(documents.document_ids))
        elif len(documents.entries) > 1:
            for half in documents.halves():
                await self.tell(half)
            return
        else:
            await self._put_off(documents, refusal)
        self.settled += len(documents.entries)

    async def _put_off(self, documents: Forgotten, refusal: Exception) -> None:
        reason = refusal.reason_name if isinstance(refusal, WeftError) else type(refusal).__name__
        if not await self._taken.refused(documents, reason):
            return
        SET_ASIDE.inc()
        structlog.get_logger().error(
            "the cache refuses to forget a document, which is set aside: answers built on it may be given again",
            tenant=documents.tenant,
            collection=documents.collection,
            document_id=documents.document_ids[0],
            reason=reason,
        )


async def _refusal(cache: Channel, documents: Forgotten) -> Exception | None:
    """Sends documents to the cache; returns why it refuses one of them. Raises WeftError when it is down."""
    try:
        await _invalidate(cache, documents)
    except WeftError as error:
        if error.status in _AWAY:
            raise
        return error
    except Exception as error:  # noqa: BLE001
        return error  # a call that cannot even be made
    return None


async def _invalidate(cache: Channel, documents: Forgotten) -> None:
    request = pb.InvalidateRequest(
        collection=documents.collection,
        document_ids=documents.document_ids,
        collection_version=documents.version,
    )
    with bound(CallContext(tenant=documents.tenant)):
        await cache.unary(rpc.CacheServiceStub(cache.raw).Invalidate(request, **cache.call(_LIMIT_S)))
