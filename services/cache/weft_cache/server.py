"""How the cache is assembled."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from weft.cache.v1 import cache_pb2_grpc
from weft_cache.audits.adaptive_threshold import Ladder
from weft_cache.audits.audits import Audits, AuditSettings
from weft_cache.audits.redis_audits import RedisAudits
from weft_cache.cache import Cache, Keeping
from weft_cache.config import Config
from weft_cache.inference.client import InferenceClient
from weft_cache.inference.embedder import InferenceEmbedder
from weft_cache.inference.verifier import InferenceVerifier
from weft_cache.semantic.calibration import CALIBRATION, threshold
from weft_cache.semantic.coverage import Coverage, QuestionReader
from weft_cache.semantic.queue import LookupLimits, SemanticQueue
from weft_cache.semantic.tier import SemanticTier
from weft_cache.servicer import CacheServicer
from weft_cache.store.encryption import Encryption
from weft_cache.store.redis_answers import RedisAnswers
from weft_cache.store.redis_client import StoreDown, guarded
from weft_cache.store.redis_stats import RedisStats
from weft_cache.store.redis_store import RedisStore
from weft_kit import metrics
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.readiness import WHOLE, Need, Readiness
from weft_kit.rpc.server import Server, Service
from weft_kit.tasks import background

_SERVICE = "weft.cache.v1.CacheService"


@asynccontextmanager
async def cache(config: Config) -> AsyncIterator[Server]:
    """Serves while the context lasts. Neither Redis nor the inference service has to be available.

    Raises:
        OtherMesh: Redis belongs to another mesh.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        redis = await stack.enter_async_context(
            guarded(config.redis_url, config.redis_limit_s, config.rest_s, config.redis_connections, config.mesh_id)
        )
        inference = await stack.enter_async_context(Channel(config.inference_target, "inference"))
        asking = inference, config.longest_lookup_s, config.silence_s, config.rest_s
        embedder = InferenceEmbedder(InferenceClient(*asking), config.remembered_vectors)
        tally = RedisStats(redis)
        store = RedisStore(redis, config.most_bytes, config.ttl_s)
        await stack.enter_async_context(_flushing(tally, store, config.tally_flush_s))
        answers = RedisAnswers(redis, store, Encryption(config.sealing_keys))
        audits = Audits(RedisAudits(redis), embedder, _vigilance(config))
        keeping = Keeping(config.ttl_s, config.ttl_jitter, config.most_bytes, config.floor)
        verifier = InferenceVerifier(InferenceClient(*asking))
        reader = QuestionReader(embedder, await asyncio.to_thread(Coverage.of, config.languages))
        tier = SemanticTier(answers, reader, verifier, audits, _threshold(config.target_precision))
        limits = LookupLimits(
            config.lookup_share, config.shortest_lookup_s, config.longest_lookup_s, config.lookup_limit_s
        )
        alike = SemanticQueue(tier, reader, limits, config.lookups_at_once)
        servicer = CacheServicer(Cache(answers, alike, limits, tally, audits, keeping), audits)
        add = cache_pb2_grpc.add_CacheServiceServicer_to_server
        service = Service(_SERVICE, add, servicer)
        needs = (Need("redis", redis.check, frozenset({WHOLE, _SERVICE})),)
        readiness = await stack.enter_async_context(Readiness(needs))
        request_limits = RequestLimits(held_bytes=config.held_request_bytes)
        server = Server(config.listen, [service], grace_s=config.grace_s, limits=request_limits, readiness=readiness)
        yield await stack.enter_async_context(server)


def _threshold(target_precision: float) -> float:
    """Returns the certainty that a hit needs; logs a warning if no hit can reach it."""
    needed = threshold(CALIBRATION, target_precision)
    if math.isinf(needed):
        proven = max(point.precision for point in CALIBRATION)
        what = "the semantic tier is off: lower WEFT_CACHE_TARGET_PRECISION to what is proven"
        structlog.get_logger().warning(what, target_precision=target_precision, proven=proven)
    return needed


def _vigilance(config: Config) -> AuditSettings:
    ladder = Ladder(config.false_hit_bound, hold_s=config.strict_for_s, rest_s=config.off_for_s)
    return AuditSettings(
        config.audit_share,
        per_minute=config.audits_per_minute,
        least_alike=config.audit_least_alike,
        ladder=ladder,
    )


@asynccontextmanager
async def _flushing(tally: RedisStats, store: RedisStore, every_s: float) -> AsyncIterator[None]:
    """Sends collected counts while the context lasts, and the last of them when it ends."""

    async def flush() -> None:
        with suppress(StoreDown):
            await tally.flush()
            await store.flush()

    async def flush_for_ever() -> None:
        while True:
            await asyncio.sleep(every_s)
            await flush()

    try:
        async with background(flush_for_ever()):
            yield
    finally:
        await flush()
