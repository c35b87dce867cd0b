"""Both tiers on a real Redis: what is kept, found, believed and forgotten."""

import math
from array import array
from uuid import uuid4

import pytest

from weft.common.v1 import budget_pb2
from weft_cache.partition import address
from weft_cache.records import Candidate, Filing, InvalidationNames, LookupCounts, Stored, Vector
from weft_cache.store.redis_answers import key_of
from weft_cache.store.redis_client import StoreDown
from weft_cache.store.redis_stats import RedisStats

INDEX = "weft:cache:answers"


def vector(*components, embedder="unit-4"):
    length = math.hypot(*components)
    return Vector(embedder, array("f", [one / length for one in components]).tobytes())


NORTH, EAST, NORTH_BY_EAST = vector(0, 1, 0, 0), vector(1, 0, 0, 0), vector(0.1, 1, 0, 0)


@pytest.fixture
def place(tenant, generation):
    """The address of a question of this test's tenant."""
    return lambda text="Where?", tenant=tenant, **fields: address(tenant, generation(text, **fields), 0)


async def test_an_answer_is_read_back_whole(answers, place, finished):
    cost = budget_pb2.Cost(micros=42, currency="EUR")
    stored = Stored(finished("Übermut 🗼"), stored_at=1234.5, cost=cost, collection_version=7)
    await answers.write(place(), stored, 60, None)
    assert await answers.read(key_of(place())) == stored
    assert await answers.read(key_of(place("When?"))) is None


async def test_an_answer_has_a_life(answers, guard, place, finished):
    await answers.write(place(), Stored(finished(), 0), 60, NORTH)
    assert 59_000 < await guard.command("PTTL", key_of(place())) <= 60_000


async def test_a_repeat_replaces_everything(answers, place, finished):
    await answers.write(place(), Stored(finished("old"), 1), 60, NORTH)
    await answers.write(place(), Stored(finished("new"), 2), 60, None)
    assert (await answers.read(key_of(place()))).answer.text == "new"
    assert await answers.nearest(place(), NORTH) == []


async def test_the_nearest_come_first(answers, place, finished):
    for text, its_vector in (("north", NORTH), ("east", EAST)):
        await answers.write(place(text), Stored(finished(text), 7), 60, its_vector, Filing(question=text))
    near, far = await answers.nearest(place(), NORTH_BY_EAST)
    assert near == Candidate(key_of(place("north")), "north", pytest.approx(0.995, abs=1e-3), 7, near.told)
    assert far == Candidate(key_of(place("east")), "east", pytest.approx(0.0995, abs=1e-3), 7, far.told)
    assert near.told != far.told


async def test_equal_answers_are_known_as_equal(answers, place, finished):
    for text in ("north", "northwards"):
        await answers.write(place(text), Stored(finished("the same"), 7), 60, NORTH, Filing(question=text))
    one, other = await answers.nearest(place(), NORTH)
    assert one.told == other.told != ""


async def test_nothing_is_found_behind_a_wall(answers, place, finished):
    walls = [{"tenant": uuid4().hex}, {"model": "large"}, {"tool_choice": 2, "tools": [{"name": "f"}]}]
    for wall in walls:
        await answers.write(place(**wall), Stored(finished(), 1), 60, NORTH)
    assert await answers.nearest(place(), NORTH) == []
    assert [len(await answers.nearest(place(**wall), NORTH)) for wall in walls] == [1, 1, 1]


async def test_vectors_of_two_embedders_are_never_compared(answers, place, finished):
    longer = vector(0, 1, 0, 0, 0, 0, embedder="unit-6")
    namesake = vector(0, 1, 0, 0, embedder="another unit-4")
    await answers.write(place("north"), Stored(finished(), 1), 60, NORTH)
    assert await answers.nearest(place(), longer) == await answers.nearest(place(), namesake) == []
    await answers.write(place("north"), Stored(finished(), 1), 60, longer)
    assert len(await answers.nearest(place(), longer)) == 1
    assert await answers.nearest(place(), NORTH) == []


async def test_a_lost_index_is_made_again_and_finds_what_is_there(answers, guard, place, finished):
    await answers.write(place(), Stored(finished(), 1), 60, NORTH)
    await answers.nearest(place(), NORTH)
    await guard.command("FT.DROPINDEX", INDEX)
    await answers.nearest(place(), NORTH)
    while int((await _index_state(guard))["indexing"]):
        pass
    assert len(await answers.nearest(place(), NORTH)) == 1


async def _index_state(guard):
    flat = await guard.command("FT.INFO", INDEX)
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


async def test_a_hash_that_is_not_what_was_asked_for_is_not_believed(answers, guard, place, finished):
    await answers.write(place(), Stored(finished(), 1), 60, None)
    await guard.command("HSET", key_of(place()), "id", place("other").exact)
    assert await answers.read(key_of(place())) is None


async def test_a_hash_that_cannot_be_read_is_a_miss(answers, guard, place, finished):
    await answers.write(place(), Stored(finished(), 1), 60, None)
    await guard.command("HSET", key_of(place()), "answer", b"\xff\xff\xff")
    assert await answers.read(key_of(place())) is None


async def test_what_redis_refuses_is_a_store_that_is_down(answers, guard, place):
    await guard.command("SET", key_of(place()), "no hash")
    with pytest.raises(StoreDown):
        await answers.read(key_of(place()))
    await guard.command("DEL", key_of(place()))


async def test_a_tenants_answers_are_forgotten_by_model_and_collection(answers, tenant, place, finished):
    other = uuid4().hex
    docs, faq = {"retrieval": {"collection": "docs"}}, {"retrieval": {"collection": "faq"}}
    places = [place(), place(model="large"), place(**docs), place(model="large", **docs), place(**faq)]
    for where in (*places, place(tenant=other, **docs)):
        await answers.write(where, Stored(finished(), 1), 60, NORTH)
    assert await answers.forget(tenant, InvalidationNames(model="large", collection="docs")) == 1
    assert await answers.forget(tenant, InvalidationNames(collection="docs")) == 1
    assert await answers.forget(tenant, InvalidationNames(model="large")) == 1
    assert await answers.forget(tenant, InvalidationNames(model="la*")) == 0
    assert await answers.forget(tenant) == 2
    assert await answers.read(key_of(place(tenant=other, **docs))) is not None


async def test_entries_are_counted_by_tenant(answers, tenant, place, finished):
    await answers.write(place(), Stored(finished(), 1), 60, NORTH)
    await answers.write(place("another"), Stored(finished(), 1), 60, None)
    await answers.write(place(tenant=uuid4().hex), Stored(finished(), 1), 60, NORTH)
    assert (await answers.account(tenant)).entries == 2
    await answers.forget(tenant)
    assert (await answers.account(tenant)).entries == 0


async def test_counts_add_up_over_replicas(guard, tenant):
    here, there = RedisStats(guard), RedisStats(guard)
    here.add(tenant, LookupCounts(exact_hits=1, tokens_saved=30))
    here.add(tenant, LookupCounts(misses=1))
    there.add(tenant, LookupCounts(semantic_hits=1, tokens_saved=12, micros_saved={"EUR": 5}))
    here.add(tenant, LookupCounts(exact_hits=1, micros_saved={"EUR": 2, "USD": 1}))
    await there.flush()
    assert await here.read(tenant) == LookupCounts(2, 1, 1, 42, {"EUR": 7, "USD": 1})
    assert await here.read(uuid4().hex) == LookupCounts()
