"""The cache: exact first, then semantic behind the same walls, and a miss whenever in doubt."""

import random
import time
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from weft.job.v1 import job_pb2
from weft_cache import policy
from weft_cache.choice import Candidate, Miss, Reason, age_s, choose, is_young
from weft_cache.inference_embedder import InferenceEmbedder
from weft_cache.partition import Address, address, question_text
from weft_cache.policy import Terms, Tier
from weft_cache.redis_answers import RedisAnswers, Stored, key_of
from weft_cache.redis_guard import StoreDown
from weft_cache.redis_tally import RedisTally, Tally
from weft_kit.errors import DependencyDown

LOOKUPS = Counter("weft_cache_lookups", "Lookups, by tier that answered or reason that none did.", ["outcome"])
STORES = Counter("weft_cache_stores", "Answers offered, by what became of them.", ["outcome"])
TOKENS_SAVED = Counter("weft_cache_saved_tokens", "Tokens that hits did not generate again.")
LOOKUP_SECONDS = Histogram(
    "weft_cache_lookup_seconds",
    "Time of a lookup, by tier that answered or reason that none did.",
    ["outcome"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and the version of the collection its answer is built on; 0 without retrieval."""

    tenant: str
    request: job_pb2.GenerationRequest
    collection_version: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored answer that may serve."""

    answer: job_pb2.Answer
    tier: Tier
    similarity: float
    age_s: float


@dataclass(frozen=True, slots=True)
class Stats:
    """A tenant's counts, and what the store holds."""

    tally: Tally
    entries: int
    store_bytes: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long answers are kept, and how alike questions must be."""

    ttl_s: float
    ttl_jitter: float
    threshold: float


class Cache:
    """Finds, keeps and forgets answers of one tenant at a time."""

    def __init__(self, answers: RedisAnswers, embedder: InferenceEmbedder, tally: RedisTally, keeping: Keeping) -> None:
        self._answers, self._embedder, self._tally, self._keeping = answers, embedder, tally, keeping

    @property
    def ttl_s(self) -> float:
        """Longest life of an answer."""
        return self._keeping.ttl_s

    async def lookup(self, asked: Asked) -> Hit | Miss:
        """The answer that may serve, or why there is none. A store that is away is a miss."""
        began = time.perf_counter()
        terms = policy.terms(asked.request, asked.collection_version, self._keeping.threshold)
        try:
            found = await self._find(asked, terms) if terms else Miss(Reason.NOT_CACHEABLE)
        except StoreDown:
            found = Miss(Reason.STORE_DOWN)
        self._count(asked.tenant, found, time.perf_counter() - began)
        return found

    async def store(self, asked: Asked, answer: job_pb2.Answer) -> bool:
        """Keeps an answer; False when it must not be kept or the store is down."""
        terms = policy.terms(asked.request, asked.collection_version, self._keeping.threshold)
        if terms is None or not policy.storable(answer):
            STORES.labels("refused").inc()
            return False
        where = address(asked.tenant, asked.request, asked.collection_version)
        text = question_text(asked.request) if terms.tier is Tier.SEMANTIC else ""
        vector = await self._embedder.embed(asked.tenant, text)
        life_s = policy.life_s(self._keeping.ttl_s, self._keeping.ttl_jitter, random.random())  # noqa: S311 - no secret
        try:
            await self._answers.write(where, Stored(answer, time.time()), life_s, vector)
        except StoreDown:
            STORES.labels("store_down").inc()
            return False
        STORES.labels("stored").inc()
        return True

    async def forget(self, tenant: str, model: str, collection: str) -> int:
        """Forgets a tenant's answers; an empty name does not narrow. Raises DependencyDown: they may still be there."""
        try:
            return await self._answers.forget(tenant, model, collection)
        except StoreDown:
            raise DependencyDown("redis", "answers were not all forgotten; call Invalidate again") from None

    async def stats(self, tenant: str) -> Stats:
        """A tenant's counts; raises DependencyDown."""
        try:
            tally, entries = await self._tally.read(tenant), await self._answers.count(tenant)
            return Stats(tally, entries, await self._answers.used_bytes())
        except StoreDown:
            raise DependencyDown("redis", "the counts are in Redis, which does not answer; try again") from None

    async def _find(self, asked: Asked, terms: Terms) -> Hit | Miss:
        now = time.time()
        where = address(asked.tenant, asked.request, asked.collection_version)
        stored = await self._answers.read(key_of(where))
        if stored and is_young(stored.stored_at, terms, now):
            return Hit(stored.answer, Tier.EXACT, 1.0, age_s(stored.stored_at, now))
        if terms.tier is Tier.SEMANTIC:
            return await self._find_alike(asked, where, terms, now)
        return Miss(Reason.TOO_OLD if stored else Reason.NOT_STORED)

    async def _find_alike(self, asked: Asked, where: Address, terms: Terms, now: float) -> Hit | Miss:
        vector = await self._embedder.embed(asked.tenant, question_text(asked.request))
        if vector is None:
            return Miss(Reason.NOT_STORED)
        chosen = choose(await self._answers.nearest(where, vector), terms, now)
        if isinstance(chosen, Miss):
            return chosen
        return await self._hit(chosen, now)

    async def _hit(self, chosen: Candidate, now: float) -> Hit | Miss:
        stored = await self._answers.read(chosen.key)
        if stored is None:  # its life ended since the index named it
            return Miss(Reason.NOT_STORED, chosen.similarity)
        return Hit(stored.answer, Tier.SEMANTIC, chosen.similarity, age_s(stored.stored_at, now))

    def _count(self, tenant: str, found: Hit | Miss, seconds: float) -> None:
        outcome = found.tier.value if isinstance(found, Hit) else found.reason.value
        LOOKUPS.labels(outcome).inc()
        LOOKUP_SECONDS.labels(outcome).observe(seconds)
        if isinstance(found, Miss):
            self._tally.add(tenant, Tally(misses=1))
            return
        saved = found.answer.usage.completion_tokens
        TOKENS_SAVED.inc(saved)
        exact = found.tier is Tier.EXACT
        self._tally.add(tenant, Tally(exact_hits=int(exact), semantic_hits=int(not exact), tokens_saved=saved))
