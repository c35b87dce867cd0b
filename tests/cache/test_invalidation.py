"""Answers forgotten by what they are about, over a socket and on real Redis."""

import asyncio
import os

import pytest

from weft.cache.v1 import cache_pb2 as pb
from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.rpc.errors import WeftError

EXACT = job_pb2.CACHE_MODE_EXACT


@pytest.fixture
async def client(serving, redis_url, inference_target):
    async with serving(redis_url=redis_url, inference_target=inference_target) as client:
        yield client


@pytest.fixture
def about(generation):
    """A question under tags, answered from a collection."""

    def make(text: str, *tags: str, collection: str = "docs", model: str = "small") -> job_pb2.GenerationRequest:
        policy = job_pb2.CachePolicy(mode=EXACT, tags=tags)
        retrieval = job_pb2.RetrievalOptions(collection=collection) if collection else None
        return generation(text, cache=policy, retrieval=retrieval, model=model)

    return make


@pytest.fixture
def built_on(finished):
    """An answer made of chunks of documents."""

    def make(*document_ids: str) -> job_pb2.Answer:
        sources = [
            job_pb2.Source(number=n, chunk_id=f"{id_}/0", document_id=id_) for n, id_ in enumerate(document_ids, 1)
        ]
        return finished(sources=sources)

    return make


async def known(client, requests, version=1) -> list[bool]:
    found = [await client.lookup(request, version) for request in requests]
    return [isinstance(one, pb.Found) for one in found]


async def test_by_tag(client, about, built_on):
    requests = [about("a", "hr", "2026"), about("b", "hr"), about("c")]
    for request in requests:
        await client.store(request, built_on(), version=1)
    assert await client.invalidate(tag="2026") == 1
    assert await client.invalidate(tag="h*") == 0
    assert await client.invalidate(tag="hr") == 1
    assert await known(client, requests) == [False, False, True]


async def test_by_the_documents_they_are_built_on_and_no_others(client, about, built_on):
    requests = [about("a"), about("b"), about("c"), about("d", collection="other")]
    for request, documents in zip(requests, (("x",), ("x", "y"), ("y",), ("x",)), strict=True):
        await client.store(request, built_on(*documents), version=1)
    assert await client.invalidate(collection="docs", document_ids=["x", "z"]) == 2
    assert await known(client, requests) == [False, False, True, True]


async def test_forgetting_twice_is_forgetting_once(client, about, built_on):
    await client.store(about("a"), built_on("x"), version=1)
    names = {"collection": "docs", "document_ids": ["x"], "collection_version": 2}
    assert await client.invalidate(**names) == 1
    assert await client.invalidate(**names) == 0


async def test_names_narrow_each_other(client, about, built_on):
    requests = [
        about("a", "hr"),
        about("a", "hr", model="large"),
        about("a", "hr", collection="other"),
        about("b"),
        about("c", "hr"),
    ]
    for request, document in zip(requests, ("x", "x", "x", "x", "y"), strict=True):
        await client.store(request, built_on(document), version=1)
    names = {"tag": "hr", "model": "small", "collection": "docs", "document_ids": ["x"]}
    assert await client.invalidate(**names) == 1
    assert await known(client, requests) == [False, True, True, True, True]


async def test_an_answer_that_was_being_written_from_a_document_as_it_was_is_not_kept(client, about, built_on):
    await client.invalidate(collection="docs", document_ids=["x"], collection_version=5)
    assert not await client.store(about("a"), built_on("x"), version=4)
    assert await client.store(about("b"), built_on("y"), version=4)
    assert await client.store(about("a"), built_on("x"), version=5)


async def test_another_tenants_answers_stay(client, about, built_on):
    stranger = client.of(client.tenant + "x")
    for one in (client, stranger):
        await one.store(about("a", "hr"), built_on("x"), version=1)
    await client.invalidate(tag="hr")
    await client.invalidate(collection="docs", document_ids=["x"], collection_version=9)
    await client.invalidate()
    assert await known(stranger, [about("a", "hr")]) == [True]
    assert await stranger.store(about("b"), built_on("x"), version=8)


async def test_a_thousand_answers_of_one_document_are_forgotten_at_once(client, about, built_on):
    requests = [about(str(n)) for n in range(1000)]
    for n in range(0, 1000, 50):
        await asyncio.gather(*(client.store(one, built_on("x", str(n)), version=1) for one in requests[n : n + 50]))
    assert await client.invalidate(collection="docs", document_ids=["x"]) == 1000


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ({"document_ids": ["x"]}, "collection"),
        ({"collection_version": 3}, "collection"),
        ({"collection": "docs", "document_ids": ["x"] * 1001}, "document_ids"),
        ({"collection": "docs", "document_ids": ["x", ""]}, "document_ids"),
    ],
)
async def test_names_that_mean_nothing_are_refused(client, names, field):
    with pytest.raises(WeftError) as refused:
        await client.invalidate(**names)
    assert refused.value.reason == error_pb2.ERROR_REASON_INVALID_FIELD
    assert field in str(refused.value.violations)


async def test_sealed_answers_are_forgotten_without_their_key(serving, redis_url, inference_target, about, built_on):
    settings = {"redis_url": redis_url, "inference_target": inference_target}
    key = os.urandom(32).hex()[:43] + "="
    async with serving(**settings, encryption_keys=key) as client:
        await client.store(about("a", "hr"), built_on("x"), version=1)
    async with serving(**settings) as client:
        assert await client.invalidate(tag="hr") == 1


async def test_by_the_job_it_came_from(client, about, built_on):
    mine, other = about("a"), about("b", collection="")
    await client.store(mine, built_on("d"), version=3, job_id="job-1")
    await client.store(other, built_on(), job_id="job-2")
    assert await client.invalidate(job_id="job-3") == 0
    assert await client.invalidate(job_id="job-1") == 1
    assert await known(client, [mine], version=3) == [False]
    assert await known(client, [other], version=0) == [True]


async def test_an_answer_whose_job_was_deleted_while_it_was_on_its_way_is_not_kept(client, about, built_on):
    await client.invalidate(job_id="job-1")
    assert not await client.store(about("a"), built_on("d"), version=3, job_id="job-1")
    assert await client.store(about("a"), built_on("d"), version=3, job_id="job-2")
    assert await known(client, [about("a")], version=3) == [True]


async def test_an_answer_that_another_job_gave_anew_is_that_jobs(client, about, built_on):
    await client.store(about("a"), built_on(), version=1, job_id="job-1")
    await client.store(about("a"), built_on(), version=1, job_id="job-2")
    assert await client.invalidate(job_id="job-1") == 0
    assert await client.invalidate(job_id="job-2") == 1
