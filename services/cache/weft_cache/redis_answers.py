"""Answers in Redis, one hash each: `weft:cache:answer:TENANT:MODEL:COLLECTION:EXACT`.

Every hash holds its own id and partition, and what is read is believed only if they are the ones asked for: a reply
that reached the wrong reader, however that came to be, is a miss and not somebody else's answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from weft.job.v1 import job_pb2
from weft_cache.choice import Candidate
from weft_cache.partition import Address, name_digest, semantic_partition, tenant_digest
from weft_cache.redis_guard import RedisGuard
from weft_cache.redis_index import PREFIX, RedisIndex, vector_field
from weft_cache.vector import Vector

_PAGE: Final = 200
_NEAREST: Final = 5


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it was kept. `stored_at` is in Unix seconds."""

    answer: job_pb2.Answer
    stored_at: float


class RedisAnswers:
    """Keeps, finds and forgets answers. Every method raises StoreDown when Redis does not answer."""

    def __init__(self, guard: RedisGuard) -> None:
        self._guard = guard
        self._index = RedisIndex(guard)

    async def read(self, key: str) -> Stored | None:
        """The answer under a key, in one round trip."""
        return _stored(key, *await self._guard.command("HMGET", key, "id", "stored_at", "answer"))

    async def nearest(self, where: Address, vector: Vector) -> list[Candidate]:
        """The few answers of the partition whose questions are most like this one."""
        partition = semantic_partition(where, vector.embedder)
        found = await self._index.nearest(partition, vector, _NEAREST)
        return [_candidate(key, fields) for key, fields in found if fields.get(b"partition") == partition.encode()]

    async def write(self, where: Address, stored: Stored, life_s: float, vector: Vector | None) -> None:
        """Keeps an answer for `life_s`, in place of one under the same key. Without a vector only its key finds it."""
        key = key_of(where)
        fields: dict[str, bytes | str] = {
            "id": where.exact,
            "tenant": where.tenant,
            "stored_at": repr(stored.stored_at),
            "answer": stored.answer.SerializeToString(),
        }
        if vector is not None:
            fields["partition"] = semantic_partition(where, vector.embedder)
            fields[vector_field(vector.embedder)] = vector.components
        words = (word for field in fields.items() for word in field)
        life_ms = max(1, int(life_s * 1000))
        await self._guard.transaction((("DEL", key), ("HSET", key, *words), ("PEXPIRE", key, life_ms)))

    async def forget(self, tenant: str, model: str = "", collection: str = "") -> int:
        """Removes a tenant's answers, all or those of a model or collection; returns how many.

        Walks the keys rather than asks the index, which after a restart of Redis may not know all of them yet.
        """
        names = ":".join(name_digest(name) if name else "*" for name in (model, collection))
        pattern = f"{PREFIX}{tenant_digest(tenant)}:{names}:*"
        forgotten = cursor = 0
        while True:
            cursor, keys = await self._guard.command("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
            forgotten += await self._guard.command("UNLINK", *keys) if keys else 0
            if not cursor:
                return forgotten

    async def count(self, tenant: str) -> int:
        """Answers of a tenant stored now."""
        return await self._index.count(tenant_digest(tenant))

    async def used_bytes(self) -> int:
        """Memory Redis uses, for everything in it."""
        memory = await self._guard.command("INFO", "memory")
        return int(memory["used_memory"])


def key_of(where: Address) -> str:
    """The Redis key of an answer."""
    return f"{PREFIX}{where.tenant}:{where.model}:{where.collection}:{where.exact}"


def _stored(key: str, id_: bytes | None, stored_at: bytes | None, answer: bytes | None) -> Stored | None:
    if id_ is None or stored_at is None or answer is None or id_.decode() != key.rpartition(":")[2]:
        return None
    try:
        return Stored(job_pb2.Answer.FromString(answer), float(stored_at))
    except DecodeError:
        return None


def _candidate(key: str, fields: Mapping[bytes, bytes]) -> Candidate:
    similarity = min(1.0, max(0.0, 1 - float(fields[b"distance"])))
    return Candidate(key, similarity, float(fields[b"stored_at"]))
