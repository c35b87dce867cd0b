"""What a job is given from outside, and what it leaves behind: sources from retrieval, answers for the cache."""

import asyncio

import pytest
from tests.router.harness import Harness, asking
from tests.router.services import Library, Shelf

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_kit.rpc.errors import Draining, Overloaded
from weft_mock import MockProvider, Script

HITS = (
    retrieval_pb2.Hit(chunk_id="c1", document_id="d1", title="Guide", headings=["Towns"], text="Paris.", score=0.9),
    retrieval_pb2.Hit(chunk_id="c2", document_id="d2", title="Notes", text="Lyon.", source_uri="file:n", score=0.5),
)
GREEDY = chat_pb2.SamplingParams(temperature=0)


def grounded(collection: str = "guide", **fields: object) -> job_pb2.GenerationRequest:
    return asking(retrieval=job_pb2.RetrievalOptions(collection=collection), **fields)


async def test_sources_stand_numbered_in_the_prompt_and_in_the_record(harness: Harness, mock: MockProvider) -> None:
    library = Library(*HITS)
    async with library.running() as target, harness.routing(retrieval_target=target):
        events = await harness.events(await harness.submit(grounded()))

    prompt = (await mock.next_request()).messages[-1]["content"]
    assert "[1] Guide > Towns\nParis." in prompt
    assert prompt.endswith("Question: What is the capital of France?")
    assert (library.requests[0].query, library.requests[0].top_k) == ("What is the capital of France?", 4)
    done = events[-1].done
    assert [(source.number, source.chunk_id) for source in done.answer.sources] == [(1, "c1"), (2, "c2")]
    assert list(events[1].started.sources) == list(done.answer.sources)


async def test_the_record_tells_how_many_sources_had_no_room(harness: Harness) -> None:
    long = [retrieval_pb2.Hit(chunk_id=f"c{place}", text="word " * 6000) for place in range(3)]
    async with Library(*long).running() as target, harness.routing(retrieval_target=target):
        events = await harness.events(await harness.submit(grounded()))

    # The alias reads 8,192 tokens less the 1,024 it may write, and a source has some 10,000.
    assert (list(events[1].started.sources), events[1].started.sources_left_out) == ([], 3)
    assert events[-1].done.answer.sources_left_out == 3


@pytest.mark.parametrize("collection", ["unknown", "guide"])
async def test_a_job_without_the_context_it_asked_for_fails(
    harness: Harness, mock: MockProvider, collection: str
) -> None:
    async with Library(*HITS).running() as target:
        down = {} if collection == "guide" else {"retrieval_target": target}
        async with harness.routing(**down, retrieval_limit_s=1):
            done = await harness.done(await harness.submit(grounded(collection)))

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert done.error.reason == error_pb2.ERROR_REASON_RETRIEVAL_FAILED
    assert done.error.retryable == (collection == "guide")
    assert mock.stats.requests == 0


async def test_a_search_that_fails_for_a_moment_is_made_again(harness: Harness) -> None:
    library = Library(*HITS)
    library.failures = [Draining(), Overloaded("busy", 0.1)]
    async with library.running() as target, harness.routing(retrieval_target=target):
        done = await harness.done(await harness.submit(grounded()))

    assert (done.state, len(done.answer.sources), len(library.requests)) == (job_pb2.JOB_STATE_SUCCEEDED, 2, 3)
    assert len(done.attempts) == 1


async def test_an_answer_that_may_serve_again_is_stored(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text="Paris."))
    shelf = Shelf()
    async with (
        shelf.running() as cache,
        Library(*HITS).running() as retrieval,
        harness.routing(cache_target=cache, retrieval_target=retrieval),
    ):
        request = grounded(sampling=GREEDY)
        done = await harness.done(await harness.submit(request))
        tenant, stored = await asyncio.wait_for(shelf.stored.get(), 20)

    request.cache.mode = job_pb2.CACHE_MODE_EXACT  # what the cache service is told of a request that says nothing
    assert (tenant, stored.request, stored.collection_version) == ("acme", request, 12)
    assert stored.answer == done.answer


async def test_an_answer_that_may_not_is_not_stored(harness: Harness) -> None:
    shelf = Shelf()
    async with shelf.running() as cache, harness.routing(cache_target=cache):
        await harness.done(await harness.submit(asking()))
        await harness.done(await harness.submit(asking(sampling=GREEDY)))
        await asyncio.wait_for(shelf.stored.get(), 20)

    assert shelf.stored.empty()


async def test_a_cache_that_is_away_is_not_noticed(harness: Harness) -> None:
    async with harness.routing():
        done = await harness.done(await harness.submit(asking(sampling=GREEDY)))

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED


async def test_an_alias_that_is_gone_fails_the_job_and_names_the_others(harness: Harness) -> None:
    async with harness.routing():
        done = await harness.done(await harness.submit(asking(model="yesterday")))

    assert done.error.reason == error_pb2.ERROR_REASON_UNKNOWN_MODEL
    assert "default" in done.error.message
