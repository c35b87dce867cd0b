"""The RediSearch index over stored answers: the tags tenant and partition, and one vector field per embedder.

The vector fields are FLAT: a search reads all of the one partition it names and always finds the nearest. With 10,000
answers it takes 1 ms if they are in one partition and 0.1 ms if in many. HNSW takes as long there, costs ten times as
much to write to, and with 50,000 answers missed a third of the nearest.
"""

from contextlib import suppress
from typing import Any, Final

from weft_cache.partition import embedder_digest
from weft_cache.records import Vector
from weft_cache.store.redis_client import RedisClient, Refused, Word

PREFIX: Final = "weft:cache:answer:"
_INDEX: Final = "weft:cache:answers"
_CREATE: Final = ("FT.CREATE", _INDEX, "ON", "HASH", "PREFIX", 1, PREFIX, "SCHEMA", "tenant", "TAG", "partition", "TAG")


def vector_field(embedder: str) -> str:
    """Returns the field that holds an embedder's vectors."""
    return f"vector_{embedder_digest(embedder)}"


class RedisIndex:
    """Queries the index, and creates it if Redis does not have it, as after a flush or an empty restart."""

    def __init__(self, guard: RedisClient) -> None:
        self._guard = guard

    async def count(self, tenant: str) -> int:
        """Returns the number of a tenant's stored answers. Raises StoreDown."""
        found = await self._search(f"@tenant:{{{tenant}}}", "LIMIT", 0, 0, made_for=None)
        return int(found[0])

    async def nearest(self, partition: str, vector: Vector, at_most: int) -> list[tuple[str, dict[bytes, bytes]]]:
        """Returns keys in the partition, nearest first, each with the fields of a candidate. Raises StoreDown."""
        query = f"(@partition:{{{partition}}})=>[KNN {at_most} @{vector_field(vector.embedder)} $vector AS distance]"
        returned = ("RETURN", 5, "distance", "partition", "stored_at", "question", "told")
        options = ("SORTBY", "distance", *returned, "LIMIT", 0, at_most)
        parameters = ("PARAMS", 2, "vector", vector.components, "DIALECT", 2)
        _, *found = await self._search(query, *options, *parameters, made_for=vector)
        return [
            (key.decode(), dict(zip(fields[::2], fields[1::2], strict=True)))
            for key, fields in zip(found[::2], found[1::2], strict=True)
        ]

    async def _search(self, *query: Word, made_for: Vector | None) -> list[Any]:
        try:
            return await self._ask(*query)
        except Refused:
            # The index, or the field in it, does not exist yet. If the reason is another, Redis refuses again below.
            await self._make(made_for)
        return await self._ask(*query)

    async def _ask(self, *query: Word) -> list[Any]:
        found: list[Any] = await self._guard.command("FT.SEARCH", _INDEX, *query)
        return found

    async def _make(self, vector: Vector | None) -> None:
        """Creates the index and the vector's field. Redis refuses what exists already, perhaps by another replica."""
        with suppress(Refused):
            await self._guard.command(*_CREATE)
        if vector is None:
            return
        kind = ("VECTOR", "FLAT", 6, "TYPE", "FLOAT32", "DIM", vector.dimensions, "DISTANCE_METRIC", "COSINE")
        with suppress(Refused):
            await self._guard.command("FT.ALTER", _INDEX, "SCHEMA", "ADD", vector_field(vector.embedder), *kind)
