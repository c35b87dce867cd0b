"""The cache: the exact tier first, then the semantic tier in the same partition, and a miss in case of doubt."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from prometheus_client import Counter, Histogram

from weft.common.v1 import budget_pb2
from weft.job.v1 import job_pb2
from weft_cache import policy
from weft_cache.audits.audits import Audits
from weft_cache.partition import address, question_text
from weft_cache.policy import LookupTerms, Tier
from weft_cache.records import Audited, Filing, Hit, InvalidationNames, Lookup, LookupCounts, Stored, TenantUsage
from weft_cache.semantic.choice import (
    Miss,
    Reason,
    age_s,
    is_young,
)
from weft_cache.semantic.queue import LookupLimits, SemanticQueue
from weft_cache.store.redis_answers import RedisAnswers, key_of
from weft_cache.store.redis_client import StoreDown, patiently
from weft_cache.store.redis_stats import RedisStats
from weft_kit.cache_key import cacheable
from weft_kit.rpc.errors import DependencyDown

LOOKUPS = Counter("weft_cache_lookups", "Lookups, by tier that answered or reason that none did.", ["outcome"])
STORES = Counter("weft_cache_stores", "Answers offered, by what became of them.", ["outcome"])
TOKENS_SAVED = Counter("weft_cache_saved_tokens", "Tokens that hits did not generate again.")
LOOKUP_SECONDS = Histogram(
    "weft_cache_lookup_seconds",
    "Time of a lookup, by tier that answered or reason that none did.",
    ["outcome"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
)


@dataclass(frozen=True, slots=True)
class CacheStats:
    """A tenant's counts, and the size of its stored answers."""

    tally: LookupCounts
    account: TenantUsage
    store_bytes: int
    audited: Mapping[str, Audited]
    """By model alias."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long answers are kept, how much memory they may use, and how alike questions must be to be compared."""

    ttl_s: float
    ttl_jitter: float
    most_bytes: int
    floor: float


class Cache:
    """Finds, stores and invalidates answers of one tenant at a time."""

    def __init__(
        self,
        answers: RedisAnswers,
        alike: SemanticQueue,
        limits: LookupLimits,
        tally: RedisStats,
        audits: Audits,
        keeping: Keeping,
    ) -> None:
        self._answers, self._alike, self._limits = answers, alike, limits
        self._tally, self._audits, self._keeping = tally, audits, keeping

    @property
    def keeping(self) -> Keeping:
        return self._keeping

    async def lookup(self, asked: Lookup, stale_within_s: float | None = None) -> Hit | Miss:
        """Returns the answer that may be served, or why there is none. If the store is down it is a miss.

        `stale_within_s` is for callers with nothing better: an answer up to that old may be served even if it is older
        than the request wants, or based on another version of its collection.
        """
        began = time.perf_counter()
        terms = policy.terms(asked.request, asked.collection_version, self._keeping.floor)
        try:
            found = await self._find(asked, terms) if terms else Miss(Reason.NOT_CACHEABLE)
            if isinstance(found, Miss) and stale_within_s is not None:
                found = await self._find_stale(asked, terms, stale_within_s) or found
        except StoreDown:
            found = Miss(Reason.STORE_DOWN)
        self._count(asked.tenant, found, time.perf_counter() - began)
        return found

    async def store(self, asked: Lookup, answer: job_pb2.Answer, cost: budget_pb2.Cost, took_s: float = 0.0) -> bool:
        """Stores an answer and its cost; returns False if it must not be stored or the store is down.

        `took_s` is how long it took to generate, 0 if that is not known.
        """
        if took_s > 0:
            self._limits.answered(asked.tenant, asked.request.model, took_s)
        terms = policy.terms(asked.request, asked.collection_version, self._keeping.floor)
        if terms is None or not policy.storable(answer):
            STORES.labels("refused").inc()
            return False
        where = address(asked.tenant, asked.request, asked.collection_version)
        text = question_text(asked.request) if terms.tier is Tier.SEMANTIC else ""
        vector = await self._alike.embed(asked.tenant, text)
        life_s = policy.life_s(self._keeping.ttl_s, self._keeping.ttl_jitter, random.random())  # noqa: S311 - no secret
        stored = Stored(answer, time.time(), cost, asked.collection_version)
        lasting = address(asked.tenant, asked.request, 0).exact if asked.collection_version else ""
        filing = Filing(text, asked.request.cache.tags, lasting, asked.job_id)
        try:
            is_kept = await self._answers.write(where, stored, life_s, vector, filing)
        except StoreDown:
            STORES.labels("store_down").inc()
            return False
        STORES.labels("stored" if is_kept else "refused").inc()
        return is_kept

    async def forget(self, tenant: str, names: InvalidationNames, version: int) -> int:
        """Invalidates a tenant's answers; see `RedisAnswers.forget`. Raises DependencyDown if some may still be
        stored.
        """
        try:
            with patiently():
                return await self._answers.forget(tenant, names, version)
        except StoreDown:
            raise DependencyDown("redis", "answers were not all forgotten; call Invalidate again") from None

    async def stats(self, tenant: str) -> CacheStats:
        """Returns a tenant's counts; raises DependencyDown."""
        try:
            with patiently():
                return CacheStats(
                    await self._tally.read(tenant),
                    await self._answers.account(tenant),
                    await self._answers.used_bytes(),
                    await self._audits.found(tenant),
                )
        except StoreDown:
            raise DependencyDown("redis", "the counts are in Redis, which does not answer; try again") from None

    async def _find(self, asked: Lookup, terms: LookupTerms) -> Hit | Miss:
        now = time.time()
        where = address(asked.tenant, asked.request, asked.collection_version)
        stored = await self._answers.read(key_of(where))
        if stored and is_young(stored.stored_at, terms, now):
            return Hit(stored, Tier.EXACT, age_s(stored.stored_at, now))
        if terms.tier is Tier.SEMANTIC:
            return await self._alike.find(asked, where, terms, now)
        return Miss(Reason.TOO_OLD if stored else Reason.NOT_STORED)

    async def _find_stale(self, asked: Lookup, terms: LookupTerms | None, within_s: float) -> Hit | None:
        if terms is not None:
            found = await self._find(asked, replace(terms, max_age_s=within_s))
            if isinstance(found, Hit):
                return replace(found, served_stale=True, audit=None)
        if not cacheable(asked.request) or not asked.request.HasField("retrieval"):
            return None
        where = address(asked.tenant, asked.request, 0)
        stored = await self._answers.read_latest(where.tenant, where.exact)
        age = age_s(stored.stored_at, time.time()) if stored else within_s
        return Hit(stored, Tier.EXACT, age, served_stale=True) if stored and age <= within_s else None

    def _count(self, tenant: str, found: Hit | Miss, seconds: float) -> None:
        outcome = found.tier.value if isinstance(found, Hit) else found.reason.value
        LOOKUPS.labels(outcome).inc()
        LOOKUP_SECONDS.labels(outcome).observe(seconds)
        if isinstance(found, Miss):
            self._tally.add(tenant, LookupCounts(misses=1))
            return
        tokens, cost = found.stored.answer.usage.completion_tokens, found.stored.cost
        TOKENS_SAVED.inc(tokens)
        exact = int(found.tier is Tier.EXACT)
        money = {cost.currency: cost.micros} if cost.currency else {}
        self._tally.add(tenant, LookupCounts(exact, 1 - exact, tokens_saved=tokens, micros_saved=money))
