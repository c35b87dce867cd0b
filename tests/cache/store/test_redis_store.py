"""The room answers may take, and who gives it up."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from weft_cache.store.redis_client import RedisClient, guarded
from weft_cache.store.redis_store import Kept, RedisStore

ROOM = 1024 * 1024
HOUR = 3600.0


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisClient]:
    """A database of this test's own: rooms are shared by all tenants in one."""
    async with guarded(redis_url.replace("/0", "/7"), limit_s=5.0, rest_s=0.0, connections=4) as guard:
        await guard.command("FLUSHDB")
        yield guard


@pytest.fixture
def shelf(store: RedisClient) -> RedisStore:
    return RedisStore(store, ROOM, HOUR)


def kept(tenant: str, name: str, size: int = 40_000, **fields) -> Kept:
    return Kept(**{"tail": f"{tenant}:m:c:{name}", "fields": {"answer": b"x" * size}, "life_s": HOUR, **fields})


async def there(store: RedisClient, tenant: str, name: str) -> bool:
    return bool(await store.command("EXISTS", f"weft:cache:answer:{tenant}:m:c:{name}"))


async def test_all_answers_together_stay_within_their_room(shelf, store):
    for n in range(100):
        assert await shelf.keep(kept("acme", str(n)))
    account = await shelf.account("acme")
    assert ROOM * 0.9 < account.size_bytes <= ROOM
    assert len(await store.command("KEYS", "weft:cache:answer:*")) == account.entries < 30


async def test_what_was_used_longest_ago_goes_first(shelf, store):
    names = [str(n) for n in range(25)]
    for name in names:
        await shelf.keep(kept("acme", name))
    shelf.touch("acme:m:c:0")
    await shelf.flush()
    await shelf.keep(kept("acme", "more"))
    assert [await there(store, "acme", name) for name in ("0", "1", "24", "more")] == [True, False, True, True]


async def test_the_tenant_that_holds_most_makes_room_for_the_others(shelf, store):
    for n in range(30):
        await shelf.keep(kept("greedy", str(n)))
    await shelf.keep(kept("modest", "only"))
    for n in range(30, 60):
        await shelf.keep(kept("greedy", str(n)))
    assert await there(store, "modest", "only")
    assert (await shelf.account("modest")).entries == 1


async def test_an_answer_that_would_empty_the_shelf_is_not_kept(shelf, store):
    await shelf.keep(kept("acme", "first"))
    assert not await shelf.keep(kept("acme", "huge", size=ROOM // 10))
    assert await there(store, "acme", "first")


async def test_a_repeat_is_counted_once_and_by_its_new_size(shelf):
    await shelf.keep(kept("acme", "a", size=1_000))
    before = await shelf.account("acme")
    await shelf.keep(kept("acme", "a", size=3_000))
    after = await shelf.account("acme")
    assert (before.entries, after.entries) == (1, 1)
    assert after.size_bytes - before.size_bytes == 2_000


async def test_what_ended_by_itself_leaves_the_account(shelf, store):
    await shelf.keep(kept("acme", "brief", life_s=0.001))
    while await there(store, "acme", "brief"):
        pass
    assert await shelf.account("acme") == await shelf.account("nobody")
    assert await store.command("KEYS", "weft:cache:[eubs]*") in ([b"weft:cache:bytes"], [])
    assert int(await store.command("GET", "weft:cache:bytes")) == 0


async def test_an_account_whose_answers_somebody_deleted_does_not_stand_in_the_way(shelf, store):
    for n in range(24):
        await shelf.keep(kept("gone", str(n)))
    await store.command("DEL", "weft:cache:used:gone")
    for n in range(24):
        assert await shelf.keep(kept("acme", str(n)))
    assert (await shelf.account("acme")).entries == 24


async def test_using_an_answer_that_is_gone_does_not_bring_it_back(shelf):
    shelf.touch("acme:m:c:ghost")
    await shelf.flush()
    assert (await shelf.account("acme")).entries == 0


async def test_estimates_are_near_what_redis_really_uses(shelf, store):
    async def used() -> int:
        return int((await store.command("INFO", "memory"))["used_memory"])

    tenant = uuid4().hex + "00000000"
    marks = [f"{tenant}:{uuid4().hex[:24]}" for _ in range(50)]
    roomy = RedisStore(store, 64 * ROOM, HOUR)
    before = await used()
    for n in range(1000):
        name = f"{n:040d}"
        fields = {"id": name, "tenant": tenant, "stored_at": "1763845123.1234567", "answer": b"x" * 700}
        tail = f"{tenant}:{'m' * 16}:{'c' * 16}:{name}"
        await roomy.keep(Kept(tail, fields, HOUR, marks=marks[n % 50 : n % 50 + 2]))
    real = await used() - before
    assert 0.75 < (await roomy.account(tenant)).size_bytes / real < 1.35


async def test_nothing_older_is_kept_once_a_document_changed(shelf):
    old, current = (kept("acme", name, version=version, documents=["acme:d"]) for name, version in (("a", 3), ("b", 4)))
    assert await shelf.keep(old)
    await shelf.change(["acme:d"], version=4)
    await shelf.change(["acme:d"], version=2)
    assert not await shelf.keep(old)
    assert await shelf.keep(current)
    assert await shelf.keep(kept("acme", "c", version=1, documents=["acme:e"]))


async def test_answers_are_found_by_their_marks_until_they_end(shelf, store):
    await shelf.keep(kept("acme", "a", marks=["acme:red", "acme:round"]))
    await shelf.keep(kept("acme", "b", marks=["acme:red"], life_s=0.001))
    while await there(store, "acme", "b"):
        pass
    await shelf.keep(kept("acme", "c", marks=["acme:red"]))
    assert await shelf.marked(["acme:red"]) == {"acme:m:c:a", "acme:m:c:c"}
    assert await shelf.marked(["acme:round", "acme:blue"]) == {"acme:m:c:a"}
    assert await shelf.tails("acme") == {"acme:m:c:a", "acme:m:c:c"}
    assert await shelf.tails("other") == set()
    for mark in ("red", "round"):
        assert 0 < await store.command("PTTL", f"weft:cache:mark:acme:{mark}") <= HOUR * 1000


async def test_what_is_forgotten_leaves_its_marks(shelf, store):
    for name in ("a", "b"):
        await shelf.keep(kept("acme", name, marks=["acme:red", "acme:round"]))
    await shelf.keep(kept("acme", "b", marks=["acme:round"]))
    assert await shelf.marked(["acme:red"]) == {"acme:m:c:a"}
    assert await shelf.forget(["acme:m:c:a", "acme:m:c:ghost"]) == 1
    assert await store.command("EXISTS", "weft:cache:mark:acme:red") == 0
    assert await shelf.marked(["acme:round"]) == {"acme:m:c:b"}
