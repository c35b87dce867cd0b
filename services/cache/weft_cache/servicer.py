"""The cache service on the wire."""

from datetime import timedelta
from typing import Final

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft.job.v1 import job_pb2
from weft_cache.cache import Asked, Cache, Hit
from weft_cache.choice import Miss, Reason
from weft_cache.policy import Tier
from weft_kit.context import current_tenant
from weft_kit.logging import note

_TIERS: Final = {Tier.EXACT: job_pb2.CACHE_MODE_EXACT, Tier.SEMANTIC: job_pb2.CACHE_MODE_SEMANTIC}
_REASONS: Final = {
    Reason.NOT_STORED: pb.Missed.REASON_NOT_STORED,
    Reason.NOT_CACHEABLE: pb.Missed.REASON_NOT_CACHEABLE,
    Reason.STORE_DOWN: pb.Missed.REASON_STORE_DOWN,
    Reason.TOO_OLD: pb.Missed.REASON_TOO_OLD,
}


class CacheServicer(rpc.CacheServiceServicer):
    """Translates between the contract and the cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def Lookup(self, request: pb.LookupRequest, _: object) -> pb.LookupResponse:
        found = await self._cache.lookup(_asked(request))
        if isinstance(found, Miss):
            note(cache=found.reason.value)
            missed = pb.Missed(reason=_REASONS[found.reason], best_similarity=found.best_similarity)
            return pb.LookupResponse(missed=missed)
        note(cache=found.tier.value)
        return pb.LookupResponse(found=_found(found))

    async def Store(self, request: pb.StoreRequest, _: object) -> pb.StoreResponse:
        stored = await self._cache.store(_asked(request), request.answer)
        note(stored=stored)
        return pb.StoreResponse(stored=stored)

    async def Invalidate(self, request: pb.InvalidateRequest, _: object) -> pb.InvalidateResponse:
        forgotten = await self._cache.forget(current_tenant(), request.model, request.collection)
        note(invalidated=forgotten)
        return pb.InvalidateResponse(invalidated=forgotten)

    async def GetStats(self, _request: pb.GetStatsRequest, _: object) -> pb.GetStatsResponse:
        stats = await self._cache.stats(current_tenant())
        response = pb.GetStatsResponse(
            exact_hits=stats.tally.exact_hits,
            semantic_hits=stats.tally.semantic_hits,
            misses=stats.tally.misses,
            tokens_saved=stats.tally.tokens_saved,
            entries=stats.entries,
            store_bytes=stats.store_bytes,
        )
        response.time_to_live.FromTimedelta(timedelta(seconds=self._cache.ttl_s))
        return response


def _asked(request: pb.LookupRequest | pb.StoreRequest) -> Asked:
    return Asked(current_tenant(), request.request, request.collection_version)


def _found(hit: Hit) -> pb.Found:
    found = pb.Found(answer=hit.answer, hit=job_pb2.CacheHit(tier=_TIERS[hit.tier], similarity=hit.similarity))
    found.hit.age.FromTimedelta(timedelta(seconds=hit.age_s))
    return found
