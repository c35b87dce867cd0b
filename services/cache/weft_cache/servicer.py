"""The cache service's RPCs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft.common.v1 import budget_pb2
from weft.job.v1 import job_pb2
from weft_cache.audits.audits import Audits
from weft_cache.audits.comparison import Verdict
from weft_cache.cache import Cache, CacheStats
from weft_cache.invalidation import read_names
from weft_cache.policy import Tier
from weft_cache.records import Audited, Hit, Lookup
from weft_cache.semantic.choice import Miss, Reason
from weft_cache.wilson import share
from weft_kit.logging import note
from weft_kit.rpc.context import current_tenant
from weft_kit.rpc.time import duration, elapsed, seconds_of

_TIERS: Final = {Tier.EXACT: job_pb2.CACHE_MODE_EXACT, Tier.SEMANTIC: job_pb2.CACHE_MODE_SEMANTIC}
_REASONS: Final = {
    Reason.NOT_STORED: pb.Missed.REASON_NOT_STORED,
    Reason.NOT_CACHEABLE: pb.Missed.REASON_NOT_CACHEABLE,
    Reason.STORE_DOWN: pb.Missed.REASON_STORE_DOWN,
    Reason.TOO_OLD: pb.Missed.REASON_TOO_OLD,
    Reason.GUARDED: pb.Missed.REASON_NOT_STORED,
    Reason.NOT_VERIFIED: pb.Missed.REASON_NOT_STORED,
    Reason.DOUBTED: pb.Missed.REASON_NOT_STORED,
    Reason.LANGUAGE: pb.Missed.REASON_NOT_STORED,
    Reason.UNREAD: pb.Missed.REASON_NOT_STORED,
    Reason.UNCALIBRATED: pb.Missed.REASON_NOT_STORED,
    Reason.OVERLOADED: pb.Missed.REASON_OVERLOADED,
    Reason.LATE: pb.Missed.REASON_OVERLOADED,
}
_VERDICTS: Final = {
    Verdict.SAME: pb.ReportAuditResponse.VERDICT_SAME,
    Verdict.DIFFERENT: pb.ReportAuditResponse.VERDICT_DIFFERENT,
    Verdict.NOT_COMPARED: pb.ReportAuditResponse.VERDICT_NOT_COMPARED,
}


class CacheServicer(rpc.CacheServiceServicer):
    """Translates between the contract and the cache."""

    def __init__(self, cache: Cache, audits: Audits) -> None:
        self._cache, self._audits = cache, audits

    async def Lookup(self, request: pb.LookupRequest, _: object) -> pb.LookupResponse:
        within_s = seconds_of(request.stale_within) if request.HasField("stale_within") else None
        found = await self._cache.lookup(_asked(request), within_s)
        if isinstance(found, Miss):
            note(cache=found.reason.value)
            missed = pb.Missed(reason=_REASONS[found.reason], best_similarity=found.best_similarity)
            return pb.LookupResponse(missed=missed)
        note(cache=found.tier.value)
        return pb.LookupResponse(found=_found(found))

    async def Store(self, request: pb.StoreRequest, _: object) -> pb.StoreResponse:
        asked = replace(_asked(request), job_id=request.job_id)
        took_s = seconds_of(request.generation_time)
        stored = await self._cache.store(asked, request.answer, request.cost, took_s)
        note(stored=stored)
        return pb.StoreResponse(stored=stored)

    async def ReportAudit(self, request: pb.ReportAuditRequest, _: object) -> pb.ReportAuditResponse:
        verdict = await self._audits.report(
            current_tenant(), request.model, request.audit, request.answer, request.collection_version
        )
        note(verdict=verdict.value)
        return pb.ReportAuditResponse(verdict=_VERDICTS[verdict])

    async def Invalidate(self, request: pb.InvalidateRequest, _: object) -> pb.InvalidateResponse:
        names = read_names(request)
        forgotten = await self._cache.forget(current_tenant(), names, request.collection_version)
        note(invalidated=forgotten)
        return pb.InvalidateResponse(invalidated=forgotten)

    async def GetStats(self, _request: pb.GetStatsRequest, _: object) -> pb.GetStatsResponse:
        stats, keeping = await self._cache.stats(current_tenant()), self._cache.keeping
        response = _stats(stats)
        response.most_bytes = keeping.most_bytes
        response.time_to_live.CopyFrom(duration(keeping.ttl_s))
        return response


def _asked(request: pb.LookupRequest | pb.StoreRequest) -> Lookup:
    return Lookup(current_tenant(), request.request, request.collection_version)


def _found(hit: Hit) -> pb.Found:
    found = pb.Found(answer=hit.stored.answer, audit=hit.audit)
    found.hit.tier, found.hit.similarity, found.hit.confidence = _TIERS[hit.tier], hit.similarity, hit.confidence
    found.hit.age.CopyFrom(elapsed(hit.age_s))
    found.hit.served_stale = hit.served_stale
    return found


def _stats(stats: CacheStats) -> pb.GetStatsResponse:
    tally = stats.tally
    return pb.GetStatsResponse(
        exact_hits=tally.exact_hits,
        semantic_hits=tally.semantic_hits,
        misses=tally.misses,
        tokens_saved=tally.tokens_saved,
        entries=stats.account.entries,
        tenant_bytes=stats.account.size_bytes,
        store_bytes=stats.store_bytes,
        cost_saved=_costs(tally.micros_saved),
        false_hits=_false_hits(_together(stats.audited)) if stats.audited else None,
        model_false_hits=[
            pb.ModelFalseHits(model=model, false_hits=_false_hits(audited)) for model, audited in stats.audited.items()
        ],
    )


def _costs(micros: Mapping[str, int]) -> list[budget_pb2.Cost]:
    return [budget_pb2.Cost(micros=micros[currency], currency=currency) for currency in sorted(micros)]


def _together(by_model: Mapping[str, Audited]) -> Audited:
    counted = by_model.values()
    return Audited(sum(one.audits for one in counted), sum(one.wrong for one in counted))


def _false_hits(audited: Audited) -> pb.FalseHits:
    wrong = share(audited.wrong, audited.audits)
    return pb.FalseHits(
        audits=audited.audits, wrong=audited.wrong, rate=wrong.rate, rate_low=wrong.low, rate_high=wrong.high
    )
