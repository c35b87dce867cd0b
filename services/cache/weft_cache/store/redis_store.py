"""Bounds the memory of answers: an account for every tenant, and eviction of the least recently used answers.

Redis itself must not evict (`maxmemory-policy noeviction`): budgets and rate limits are in the same server, and the
index for invalidation must not be lost before the answers.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weft_cache.records import TenantUsage
from weft_cache.store.redis_client import RedisClient

_SCRIPT: Final = (Path(__file__).parent / "store.lua").read_text(encoding="utf-8")
_KEEPING: Final = f"#!lua\n{_SCRIPT}"
_FREEING: Final = f"#!lua flags=allow-oom\n{_SCRIPT}"
"""A full Redis stores nothing more but can still delete."""
_PREFIX: Final = "weft:cache:"
_MARK: Final = "weft:cache:mark:"
_PAGE: Final = 500
_MARKS_AT_ONCE: Final = 50
_LARGEST_SHARE: Final = 1 / 16
# Measured in Redis: the memory of a hash with its entry in the accounts, and of its entry under each mark.
_ENTRY_BYTES: Final = 1_100
_MARK_BYTES: Final = 400
_LONGEST_JOB_MS: Final = 24 * 3600 * 1000
"""For this long an answer based on a document's former version may still arrive."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer to be stored. `tail` begins with the tenant; the other names belong only to that tenant.

    `documents` are the documents it is based on and the job it is from. `marks` are the names by which it can be
    invalidated, `documents` included. `latest` is a name that finds it whatever its collection's version, if not "".
    """

    tail: str
    fields: Mapping[str, bytes | str]
    life_s: float
    version: int = 0
    documents: Sequence[str] = ()
    marks: Sequence[str] = ()
    latest: str = ""

    @property
    def size_bytes(self) -> int:
        """Returns about how much memory it takes in Redis. The fields in the search index are stored twice."""
        content = sum(len(name) + len(value) for name, value in self.fields.items())
        indexed = sum(len(value) for name, value in self.fields.items() if name.startswith("vector_"))
        return content + indexed + _ENTRY_BYTES + _MARK_BYTES * len(self.marks)


class RedisStore:
    """Stores answers of all tenants within `most_bytes`, each for at most `longest_s`. Methods raise StoreDown."""

    def __init__(self, guard: RedisClient, most_bytes: int, longest_s: float) -> None:
        self._guard = guard
        self._most_bytes = most_bytes
        self._longest_ms = max(1, int(longest_s * 1000))
        self._used: dict[str, None] = {}

    async def keep(self, kept: Kept) -> bool:
        """Stores an answer in place of the one before; returns False if it is too large or a document has changed."""
        if kept.size_bytes > self._most_bytes * _LARGEST_SHARE:
            return False
        keep = {
            "tail": kept.tail,
            "size": kept.size_bytes,
            "life": max(1, int(kept.life_s * 1000)),
            "version": kept.version,
            "documents": list(kept.documents),
        }
        if kept.latest:
            keep["latest"] = kept.latest
        order = {"keep": keep, "most": self._most_bytes, "longest": self._longest_ms}
        words = (word for field in kept.fields.items() for word in field)
        marks = " ".join(kept.marks)
        _, is_kept = await self._guard.command("EVAL", _KEEPING, 0, json.dumps(order), *words, "marks", marks)
        return bool(is_kept)

    async def latest(self, name: str) -> str | None:
        """Returns the tail of the answer stored last under a name."""
        tail = await self._guard.command("GET", f"{_PREFIX}latest:{name}")
        return tail.decode() if tail else None

    async def change(self, documents: Sequence[str], version: int) -> None:
        """Makes `keep` refuse answers based on an older version of these documents from now on."""
        if documents and version:
            longest = max(self._longest_ms, _LONGEST_JOB_MS)
            await self._run(changed=list(documents), version=version, longest=longest)

    async def marked(self, marks: Sequence[str]) -> set[str]:
        """Returns the tails of the answers under any of the marks."""
        found: set[str] = set()
        for start in range(0, len(marks), _MARKS_AT_ONCE):
            page = marks[start : start + _MARKS_AT_ONCE]
            under = await self._guard.transaction(("ZRANGE", _MARK + mark, 0, -1) for mark in page)
            found.update(tail.decode() for tails in under for tail in tails)
        return found

    async def tails(self, tenant: str) -> set[str]:
        """Returns the tails of all of a tenant's answers."""
        found: set[str] = set()
        cursor = 0
        while True:
            cursor, page = await self._guard.command("ZSCAN", f"{_PREFIX}used:{tenant}", cursor, "COUNT", _PAGE)
            found.update(tail.decode() for tail, _ in page)
            if not int(cursor):
                return found

    async def forget(self, tails: Iterable[str]) -> int:
        """Deletes answers; returns how many there were."""
        every = sorted(tails)
        pages = (every[start : start + _PAGE] for start in range(0, len(every), _PAGE))
        return sum([await self._run(forget=page) for page in pages])

    def touch(self, tail: str) -> None:
        """Notes that an answer was used; never waits."""
        self._used[tail] = None

    async def flush(self) -> None:
        """Sends which answers were used, and removes expired ones. If that fails the uses are lost, which only affects
        the order of eviction.
        """
        used, self._used = list(self._used), {}
        for start in range(0, max(1, len(used)), _PAGE):
            await self._run(touch=used[start : start + _PAGE])

    async def account(self, tenant: str) -> TenantUsage:
        """Returns what a tenant has stored now."""
        await self._run()
        entries = await self._guard.command("ZCARD", f"{_PREFIX}used:{tenant}")
        size_bytes = await self._guard.command("ZSCORE", f"{_PREFIX}shelves", tenant)
        return TenantUsage(entries, int(float(size_bytes or 0)))

    async def _run(self, **order: object) -> int:
        forgotten, _ = await self._guard.command("EVAL", _FREEING, 0, json.dumps(order))
        return int(forgotten)
