"""Audits of the semantic tier: some hits are asked again, and wrong ones make their partition stricter."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import Counter, Gauge

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_cache.audits.adaptive_threshold import Ladder, as_of, judged
from weft_cache.audits.comparison import (
    Verdict,
    at_sight,
    by_meaning,
    head,
)
from weft_cache.audits.redis_audits import RedisAudits
from weft_cache.inference.embedder import InferenceEmbedder
from weft_cache.records import Audited
from weft_cache.store.redis_client import StoreDown
from weft_cache.wilson import share
from weft_kit.rpc.errors import DeadlineExceeded, DependencyDown, Overloaded

WANTED = Counter("weft_cache_audits_wanted", "Hits drawn to be asked again, by what became of the draw.", ["outcome"])
AUDITS = Counter("weft_cache_audits", "Answers that came back, by what comparing them came to.", ["model", "verdict"])
CLIMBS = Counter("weft_cache_partition_climbs", "Times that a partition became stricter.", ["model", "to"])
FALSE_HITS = Gauge(
    "weft_cache_false_hit_rate",
    "Share of semantic hits that were wrong, of all tenants since the store was last empty; 95 % lie in [low, high].",
    ["model", "bound"],
)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How many hits are audited, and what follows.

    `share` of the semantic hits are, `suspect_factor` times as many in a partition above level 0, and at most
    `per_minute` for each tenant. Answers whose cosine is `least_alike` or more say the same.
    """

    share: float = 0.01
    suspect_factor: float = 10.0
    per_minute: int = 10
    least_alike: float = 0.8
    ladder: Ladder = field(default_factory=Ladder)


class Audits:
    """Selects hits to audit, compares the answers, and tracks how strict each partition has to be."""

    def __init__(
        self,
        store: RedisAudits,
        embedder: InferenceEmbedder,
        vigilance: AuditSettings,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._embedder, self._vigilance, self._draw = store, embedder, vigilance, draw

    @property
    def ladder(self) -> Ladder:
        return self._vigilance.ladder

    async def level(self, tenant: str, partition: str) -> int:
        """Returns how strict the partition has to be now: 0 is normal, `ladder.off` is off. Raises StoreDown."""
        if not self._vigilance.share:
            return 0
        return as_of(await self._store.read(tenant, partition), time.time(), self.ladder).level

    async def wants(self, tenant: str, level: int) -> bool:
        """Returns whether a hit on this level is to be audited."""
        chance = self._vigilance.share * (self._vigilance.suspect_factor if level else 1.0)
        if self._draw() >= chance:
            return False
        try:
            may = await self._store.may_audit(tenant, self._vigilance.per_minute)
        except StoreDown:
            may = False
        WANTED.labels("asked" if may else "too_many").inc()
        return may

    async def report(
        self, tenant: str, model: str, audit: job_pb2.Audit, answer: job_pb2.Answer, collection_version: int
    ) -> Verdict:
        """Compares a new answer with the served one and counts the result. Raises DependencyDown if that may have
        failed.
        """
        verdict = await self._compare(tenant, audit, answer, collection_version)
        AUDITS.labels(model, verdict.value).inc()
        if verdict is Verdict.NOT_COMPARED:
            return verdict
        try:
            await self._count(tenant, model, audit.partition, is_wrong=verdict is Verdict.DIFFERENT)
        except StoreDown:
            raise DependencyDown("redis", "the audit was not counted; it need not be reported again") from None
        return verdict

    async def found(self, tenant: str) -> Mapping[str, Audited]:
        """Returns the results of a tenant's audits, by model alias. Raises StoreDown."""
        return await self._store.by_model(tenant)

    async def _compare(
        self, tenant: str, audit: job_pb2.Audit, answer: job_pb2.Answer, collection_version: int
    ) -> Verdict:
        finished = answer.finish_reason == chat_pb2.FINISH_REASON_STOP and not answer.tool_calls
        if not finished or collection_version != audit.collection_version:
            return Verdict.NOT_COMPARED
        verdict = at_sight(audit.served_text, answer.text)
        if verdict is not Verdict.NOT_COMPARED:
            return verdict
        try:
            served = await self._embedder.embed(tenant, head(audit.served_text))
            fresh = await self._embedder.embed(tenant, head(answer.text))
        except (DeadlineExceeded, Overloaded):
            return Verdict.NOT_COMPARED
        return by_meaning(served, fresh, self._vigilance.least_alike)

    async def _count(self, tenant: str, model: str, partition: str, *, is_wrong: bool) -> None:
        now, ladder = time.time(), self.ladder
        judge = partial(judged, is_wrong=is_wrong, now=now, ladder=ladder)
        before, after = await self._store.change(tenant, partition, judge)
        if after.level > as_of(before, now, ladder).level:
            CLIMBS.labels(model, "off" if after.level >= ladder.off else str(after.level)).inc()
        _show(model, await self._store.count(tenant, model, is_wrong=is_wrong))


def _show(model: str, audited: Audited) -> None:
    wrong = share(audited.wrong, audited.audits)
    for bound, value in (("rate", wrong.rate), ("low", wrong.low), ("high", wrong.high)):
        FALSE_HITS.labels(model, bound).set(value)
