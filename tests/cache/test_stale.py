"""Answers older than a request wants, when nothing better can be had."""

from google.protobuf.duration_pb2 import Duration

from weft.cache.v1 import cache_pb2 as pb
from weft.job.v1 import job_pb2

EXACT, OFF = job_pb2.CACHE_MODE_EXACT, job_pb2.CACHE_MODE_OFF
FRANCE = "What is the capital of France?"
HOUR = 3600


def from_docs(generation, mode=EXACT, **policy):
    retrieval = job_pb2.RetrievalOptions(collection="docs")
    return generation(FRANCE, retrieval=retrieval, cache=job_pb2.CachePolicy(mode=mode, **policy))


async def test_one_older_than_the_request_wants_serves_marked(client, generation, finished):
    await client.store(generation(FRANCE), finished())
    fresh = generation(FRANCE, cache=job_pb2.CachePolicy(max_age=Duration(nanos=1)))
    found = await client.lookup(fresh, stale_within_s=HOUR)
    assert found.answer == finished()
    assert found.hit.served_stale
    assert found.hit.age.ToNanoseconds() > 1


async def test_one_of_an_older_version_of_the_collection_serves_marked(client, generation, finished):
    request = from_docs(generation)
    await client.store(request, finished("old"), version=1)
    await client.store(request, finished("newer"), version=2)
    for version in (3, 0):  # 0: nobody knows it, because retrieval is away
        found = await client.lookup(request, version, stale_within_s=HOUR)
        assert (found.answer.text, found.hit.tier, found.hit.served_stale) == ("newer", EXACT, True)


async def test_one_that_is_fresh_is_served_as_such(client, generation, finished):
    request = from_docs(generation)
    await client.store(request, finished(), version=2)
    assert not (await client.lookup(request, 2, stale_within_s=HOUR)).hit.served_stale


async def test_none_serves_unless_it_is_asked_for(client, generation, finished):
    request = from_docs(generation)
    await client.store(request, finished(), version=1)
    assert isinstance(await client.lookup(request, 2), pb.Missed)


async def test_none_older_than_the_bound_serves(client, generation, finished):
    request = from_docs(generation, max_age=Duration(nanos=1))
    await client.store(request, finished(), version=1)
    for version in (1, 2):
        assert isinstance(await client.lookup(request, version, stale_within_s=0), pb.Missed)


async def test_none_serves_who_wants_no_cache(client, generation, finished):
    await client.store(from_docs(generation), finished(), version=1)
    assert isinstance(await client.lookup(from_docs(generation, OFF), 2, stale_within_s=HOUR), pb.Missed)


async def test_one_whose_document_changed_does_not_come_back(client, generation, finished):
    request = from_docs(generation)
    built_on_x = finished(sources=[job_pb2.Source(number=1, document_id="x")])
    await client.store(request, built_on_x, version=1)
    await client.invalidate(collection="docs", document_ids=["x"], collection_version=2)
    await client.store(request, built_on_x, version=1)  # its worker was late
    for version in (1, 2, 0):
        assert isinstance(await client.lookup(request, version, stale_within_s=HOUR), pb.Missed)


async def test_another_tenants_does_not_serve(client, generation, finished):
    request = from_docs(generation)
    await client.store(request, finished(), version=1)
    assert isinstance(await client.of(client.tenant + "x").lookup(request, 2, stale_within_s=HOUR), pb.Missed)
