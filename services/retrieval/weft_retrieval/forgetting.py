"""Tells the cache which documents changed, so that answers built on them are not given again."""

from prometheus_client import Counter

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft_kit.channel import Channel
from weft_kit.context import CallContext, bound
from weft_retrieval.postgres_forgotten import Forgotten, Outbox

TOLD = Counter("weft_retrieval_forgotten_documents", "Documents the cache was told to forget.")

_LIMIT_S = 5.0
# As many as one call may name.
_BATCH = 1000


class Forgetting:
    """Works off the outbox, a batch at a time. Without a cache the outbox is only emptied."""

    def __init__(self, outbox: Outbox, cache: Channel | None) -> None:
        self._outbox = outbox
        self._cache = cache

    async def tell(self) -> int:
        """Tells the cache of the oldest documents; returns of how many. One that is not told stays in the outbox."""
        async with self._outbox.taken(_BATCH) as forgotten:
            if self._cache:
                for documents in forgotten:
                    await _invalidate(self._cache, documents)
        told = sum(len(documents.document_ids) for documents in forgotten)
        TOLD.inc(told)
        return told


async def _invalidate(cache: Channel, documents: Forgotten) -> None:
    request = pb.InvalidateRequest(
        collection=documents.collection,
        document_ids=documents.document_ids,
        collection_version=documents.version,
    )
    with bound(CallContext(tenant=documents.tenant)):
        await cache.unary(rpc.CacheServiceStub(cache.raw).Invalidate(request, **cache.call(_LIMIT_S)))
