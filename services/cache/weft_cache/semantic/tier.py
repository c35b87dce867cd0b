"""The semantic tier: similarity is not enough, so guards object, a verifier compares, and doubt is a miss."""

from collections.abc import Sequence
from typing import Protocol

from weft.job.v1 import job_pb2
from weft_cache.audits.adaptive_threshold import raised
from weft_cache.audits.audits import Audits
from weft_cache.partition import Address, question_text
from weft_cache.policy import LookupTerms, Tier
from weft_cache.records import Candidate, Hit, Lookup, Stored, Vector
from weft_cache.semantic.choice import (
    Miss,
    Reason,
    Verified,
    age_s,
    best_similarity,
    choose,
    shortlist,
)
from weft_cache.semantic.coverage import QuestionReader


class AnswerIndex(Protocol):
    """Finds stored answers by the similarity of their questions. Methods raise StoreDown."""

    async def nearest(self, where: Address, vector: Vector) -> list[Candidate]:
        """Returns the few answers of the partition whose questions are most similar to this one."""
        ...

    async def read(self, key: str) -> Stored | None:
        """Returns an answer; None if it has expired."""
        ...


class QuestionVerifier(Protocol):
    """Decides which questions ask the same."""

    async def compare(self, question: str, others: Sequence[str]) -> list[float] | None:
        """Returns the confidence that each of `others` asks the same, 0 to 1; None if the service does not answer."""
        ...


class SemanticTier:
    """Finds an answer to another question that asks the same.

    `threshold` is the certainty that a hit needs; audits raise it for a partition with wrong hits.
    """

    def __init__(
        self,
        answers: AnswerIndex,
        reader: QuestionReader,
        verifier: QuestionVerifier,
        audits: Audits,
        threshold: float,
    ) -> None:
        self._answers, self._reader, self._verifier, self._audits = answers, reader, verifier, audits
        self._threshold = threshold

    async def find(self, asked: Lookup, where: Address, terms: LookupTerms, now: float) -> Hit | Miss:
        """Returns the hit, or why there is none; `now` is in Unix seconds. Raises StoreDown."""
        level = await self._audits.level(asked.tenant, where.partition)
        if level >= self._audits.ladder.off:
            return Miss(Reason.NOT_STORED)
        threshold = raised(self._threshold, level, self._audits.ladder)
        chosen = await self._choose(asked, where, terms, threshold, now)
        if isinstance(chosen, Miss):
            return chosen
        similarity = chosen.candidate.similarity
        stored = await self._answers.read(chosen.candidate.key)
        if stored is None:  # it has expired since the index returned it
            return Miss(Reason.NOT_STORED, similarity)
        audit = _audit(where, stored) if await self._audits.wants(asked.tenant, level) else None
        return Hit(stored, Tier.SEMANTIC, age_s(stored.stored_at, now), similarity, chosen.confidence, audit=audit)

    async def _choose(
        self, asked: Lookup, where: Address, terms: LookupTerms, threshold: float, now: float
    ) -> Verified | Miss:
        question = question_text(asked.request)
        vector = await self._reader.read(asked.tenant, question)
        if isinstance(vector, Reason):
            return Miss(vector)
        near = await self._answers.nearest(where, vector)
        listed = shortlist(question, near, terms, threshold, now)
        if isinstance(listed, Miss):
            return listed
        confidences = await self._verifier.compare(question, listed.questions)
        if confidences is None:
            return Miss(Reason.NOT_VERIFIED, best_similarity(near))
        return choose(near, listed, confidences, threshold)


def _audit(where: Address, served: Stored) -> job_pb2.Audit:
    return job_pb2.Audit(
        partition=where.partition, served_text=served.answer.text, collection_version=served.collection_version
    )
