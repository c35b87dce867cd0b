"""Answers in Redis, one hash each: `weft:cache:answer:TENANT:MODEL:COLLECTION:EXACT`.

Every hash contains its own id and partition, and a reply is accepted only if they are the ones requested. So a reply
that somehow reached the wrong reader is a miss, not someone else's answer.
"""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import DecodeError

from weft.common.v1 import budget_pb2
from weft.job.v1 import job_pb2
from weft_cache.partition import Address, label_digest, name_digest, semantic_partition, tenant_digest
from weft_cache.records import Candidate, Filing, InvalidationNames, Stored, TenantUsage, Vector
from weft_cache.store.encryption import Encryption
from weft_cache.store.redis_client import RedisClient
from weft_cache.store.redis_index import PREFIX, RedisIndex, vector_field
from weft_cache.store.redis_store import Kept, RedisStore

_NEAREST: Final = 5


_NO_VERSION: Final = 10**14
"""Above any version that a collection will reach: what changed at this version is not current in any."""
_UNFILED: Final = Filing()
_ALL: Final = InvalidationNames()


class RedisAnswers:
    """Stores, finds and deletes answers. Every method raises StoreDown if Redis does not answer."""

    def __init__(self, client: RedisClient, store: RedisStore, encryption: Encryption) -> None:
        self._client, self._store, self._encryption = client, store, encryption
        self._index = RedisIndex(client)

    async def read(self, key: str) -> Stored | None:
        """Returns the answer under a key, in one round trip."""
        fields = await self._client.command("HMGET", key, "id", "stored_at", "answer", "cost", "version")
        stored = self._stored(key, *fields)
        if stored is not None:
            self._store.touch(key.removeprefix(PREFIX))
        return stored

    async def read_latest(self, tenant: str, lasting: str) -> Stored | None:
        """Returns the answer stored last for a question, whatever the version of its collection."""
        tail = await self._store.latest(f"{tenant}:{lasting}")
        if tail is None or not tail.startswith(f"{tenant}:"):
            return None
        return await self.read(PREFIX + tail)

    async def nearest(self, where: Address, vector: Vector) -> list[Candidate]:
        """Returns the few answers of the partition whose questions are most similar to this one."""
        partition = semantic_partition(where, vector)
        found = await self._index.nearest(partition, vector, _NEAREST)
        candidates = (self._candidate(key, fields, partition) for key, fields in found)
        return [candidate for candidate in candidates if candidate is not None]

    async def write(
        self, where: Address, stored: Stored, life_s: float, vector: Vector | None, filing: Filing = _UNFILED
    ) -> bool:
        """Stores an answer for `life_s`, replacing one under the same key. Without a vector only its key finds it.

        Returns False if it is too large, based on a document that has changed since, or from a deleted job.
        """
        origins = {_document(where, source.document_id) for source in stored.answer.sources}
        if filing.job_id:
            origins.add(_job(where.tenant, filing.job_id))
        tags = {_tag(where.tenant, tag) for tag in filing.tags}
        kept = Kept(
            tail=key_of(where).removeprefix(PREFIX),
            fields=self._fields(where, stored, vector, filing.question),
            life_s=life_s,
            version=stored.collection_version,
            documents=sorted(origins),
            marks=sorted(origins | tags),
            latest=f"{where.tenant}:{filing.lasting}" if filing.lasting else "",
        )
        return await self._store.keep(kept)

    async def forget(self, tenant: str, names: InvalidationNames = _ALL, version: int = 0) -> int:
        """Deletes a tenant's answers, all or those that match every given name; returns how many.

        From now on, answers based on the named documents before `version` are not stored, nor are answers of a named
        job.
        """
        owner, collection = tenant_digest(tenant), name_digest(names.collection)
        documents = [label_digest(owner, "document", collection, id_) for id_ in names.document_ids]
        await self._store.change(documents, version)
        jobs = [_job(owner, names.job_id)] if names.job_id else []
        await self._store.change(jobs, _NO_VERSION)
        tags = [_tag(owner, names.tag)] if names.tag else []
        marked = [await self._store.marked(marks) for marks in (documents, tags, jobs) if marks]
        tails = set.intersection(*marked) if marked else await self._store.tails(owner)
        return await self._store.forget(tail for tail in tails if _fits(tail, owner, names))

    async def account(self, tenant: str) -> TenantUsage:
        """Returns what a tenant has stored now."""
        return await self._store.account(tenant_digest(tenant))

    async def used_bytes(self) -> int:
        """Returns the memory that Redis uses, for everything in it."""
        memory = await self._client.command("INFO", "memory")
        return int(memory["used_memory"])

    def _fields(self, where: Address, stored: Stored, vector: Vector | None, question: str) -> dict[str, bytes | str]:
        key = key_of(where)
        fields: dict[str, bytes | str] = {
            "id": where.exact,
            "tenant": where.tenant,
            "stored_at": repr(stored.stored_at),
            "version": str(stored.collection_version),
            "answer": self._encryption.close(stored.answer.SerializeToString(), f"{key}/answer"),
            "question": self._encryption.close(question.encode(), f"{key}/question"),
        }
        if stored.cost.currency:
            fields["cost"] = stored.cost.SerializeToString()
        if vector is not None:
            fields["partition"] = semantic_partition(where, vector)
            fields["told"] = self._encryption.fingerprint(stored.answer.text, where.tenant)
            fields[vector_field(vector.embedder)] = vector.components
        return fields

    def _candidate(self, key: str, fields: Mapping[bytes, bytes], partition: str) -> Candidate | None:
        question = self._encryption.open(fields.get(b"question", b""), f"{key}/question")
        if question is None or fields.get(b"partition") != partition.encode():
            return None
        similarity = min(1.0, max(0.0, 1 - float(fields[b"distance"])))
        told = fields.get(b"told", b"").decode()
        return Candidate(key, question.decode(), similarity, float(fields[b"stored_at"]), told)

    def _stored(
        self,
        key: str,
        id_: bytes | None,
        stored_at: bytes | None,
        answer: bytes | None,
        cost: bytes | None,
        version: bytes | None,
    ) -> Stored | None:
        if id_ is None or stored_at is None or answer is None or id_.decode() != key.rpartition(":")[2]:
            return None
        opened = self._encryption.open(answer, f"{key}/answer")
        if opened is None:
            return None
        try:
            return Stored(
                job_pb2.Answer.FromString(opened),
                float(stored_at),
                budget_pb2.Cost.FromString(cost or b""),
                int(version or 0),
            )
        except DecodeError:
            return None


def key_of(where: Address) -> str:
    """Returns the Redis key of an answer."""
    return f"{PREFIX}{where.tenant}:{where.model}:{where.collection}:{where.exact}"


def _fits(tail: str, owner: str, names: InvalidationNames) -> bool:
    tenant, model, collection, _ = tail.split(":")
    fits_model = not names.model or model == name_digest(names.model)
    fits_collection = not names.collection or collection == name_digest(names.collection)
    return tenant == owner and fits_model and fits_collection


def _document(where: Address, document_id: str) -> str:
    return label_digest(where.tenant, "document", where.collection, document_id)


def _job(owner: str, job_id: str) -> str:
    return label_digest(owner, "job", job_id)


def _tag(owner: str, tag: str) -> str:
    return label_digest(owner, "tag", tag)
