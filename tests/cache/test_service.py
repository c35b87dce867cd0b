"""The cache as its callers see it: over a socket, on real Redis, with the real embedder."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from weft.cache.v1 import cache_pb2 as pb
from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_compose.ports import free_ports
from weft_kit.rpc.errors import WeftError

EXACT, SEMANTIC, OFF = job_pb2.CACHE_MODE_EXACT, job_pb2.CACHE_MODE_SEMANTIC, job_pb2.CACHE_MODE_OFF
FRANCE = "What is the capital of France?"
FRANCE_AGAIN = "Please, what is the capital of France?"  # 0.98 alike
SPAIN = "What is the capital of Spain?"  # 0.68 alike


async def test_the_same_question_is_answered_by_the_exact_tier(client, generation, finished):
    missed = await client.lookup(generation(FRANCE))
    assert missed.reason == pb.Missed.REASON_NOT_STORED
    assert await client.store(generation(FRANCE), finished())
    found = await client.lookup(generation(FRANCE))
    assert found.answer == finished()
    assert (found.hit.tier, found.hit.similarity) == (EXACT, 1)
    assert 0 <= found.hit.age.ToMilliseconds() < 60_000


async def test_nearly_the_same_question_is_answered_by_the_semantic_tier(client, generation, finished):
    await client.store(generation(FRANCE), finished())
    found = await client.lookup(generation(FRANCE_AGAIN))
    assert found.answer == finished()
    assert found.hit.tier == SEMANTIC
    assert 0.95 <= found.hit.similarity < 1


async def test_another_question_is_a_miss_that_says_how_near_it_was(client, generation, finished):
    await client.store(generation(FRANCE), finished())
    missed = await client.lookup(generation(SPAIN))
    assert missed.reason == pb.Missed.REASON_NOT_STORED
    assert 0.5 < missed.best_similarity < 0.95


async def test_tenants_do_not_share_answers(client, generation, finished):
    await client.store(generation(FRANCE), finished())
    stranger = client.of(client.tenant + "x")
    for text in (FRANCE, FRANCE_AGAIN):
        missed = await stranger.lookup(generation(text))
        assert (missed.reason, missed.best_similarity) == (pb.Missed.REASON_NOT_STORED, 0)


async def test_another_history_is_another_partition(client, generation, finished):
    await client.store(generation(FRANCE, "Answer in French.", "D'accord."), finished())
    assert (await client.lookup(generation(FRANCE))).best_similarity == 0


async def test_an_answer_of_an_older_collection_does_not_serve(client, generation, finished):
    request = generation(FRANCE, retrieval=job_pb2.RetrievalOptions(collection="docs"))
    assert await client.store(request, finished(), version=1)
    assert (await client.lookup(request, version=1)).answer == finished()
    assert (await client.lookup(request, version=2)).reason == pb.Missed.REASON_NOT_STORED
    assert (await client.lookup(request, version=0)).reason == pb.Missed.REASON_NOT_CACHEABLE


async def test_a_caller_can_ask_for_more_similarity_and_not_for_less(client, generation, finished):
    def alike(text, similarity):
        return generation(text, cache=job_pb2.CachePolicy(min_similarity=similarity))

    await client.store(generation(FRANCE), finished())
    assert (await client.lookup(alike(FRANCE_AGAIN, 0.99))).reason == pb.Missed.REASON_NOT_STORED
    assert (await client.lookup(alike(SPAIN, 0.1))).reason == pb.Missed.REASON_NOT_STORED
    assert (await client.lookup(alike(FRANCE_AGAIN, 0.1))).answer == finished()


@pytest.mark.parametrize("text", [FRANCE, FRANCE_AGAIN])
async def test_an_answer_older_than_the_caller_accepts_does_not_serve(client, generation, finished, text):
    await client.store(generation(FRANCE), finished())
    fresh = generation(text, cache=job_pb2.CachePolicy(max_age=Duration(nanos=1)))
    assert (await client.lookup(fresh)).reason == pb.Missed.REASON_TOO_OLD


@pytest.mark.parametrize("reason", [chat_pb2.FINISH_REASON_LENGTH, chat_pb2.FINISH_REASON_CONTENT_FILTER])
async def test_an_unfinished_answer_is_not_kept(client, generation, finished, reason):
    assert not await client.store(generation(FRANCE), finished(finish_reason=reason))
    assert (await client.lookup(generation(FRANCE))).reason == pb.Missed.REASON_NOT_STORED


async def test_what_is_off_is_neither_read_nor_written(client, generation, finished):
    off = generation(FRANCE, cache=job_pb2.CachePolicy(mode=OFF))
    assert not await client.store(off, finished())
    await client.store(generation(FRANCE), finished())
    assert (await client.lookup(off)).reason == pb.Missed.REASON_NOT_CACHEABLE


async def test_the_exact_mode_serves_no_neighbour_and_becomes_none(client, generation, finished):
    policy = job_pb2.CachePolicy(mode=EXACT)
    await client.store(generation(FRANCE, cache=policy), finished())
    assert (await client.lookup(generation(FRANCE_AGAIN))).best_similarity == 0
    await client.store(generation(FRANCE), finished())
    assert (await client.lookup(generation(FRANCE_AGAIN, cache=policy))).reason == pb.Missed.REASON_NOT_STORED


async def test_who_names_no_mode_is_served_what_answered_the_same_question_and_nothing_else(
    client, generation, finished
):
    await client.store(generation(FRANCE), finished())
    again, alike = generation(FRANCE), generation(FRANCE_AGAIN)
    for request in (again, alike):
        request.ClearField("cache")
    assert (await client.lookup(again)).hit.tier == EXACT
    missed = await client.lookup(alike)
    assert (missed.reason, missed.best_similarity) == (pb.Missed.REASON_NOT_STORED, 0)


async def test_tools_are_cached_only_when_asked_for(client, generation, finished):
    tools = [chat_pb2.Tool(name="f")]
    silent = generation(FRANCE, tools=tools)
    silent.ClearField("cache")
    assert not await client.store(silent, finished())
    asked_for = generation(FRANCE, tools=tools, cache=job_pb2.CachePolicy(mode=EXACT))
    assert await client.store(asked_for, finished())
    assert (await client.lookup(asked_for)).answer == finished()


async def test_a_question_longer_than_the_embedder_reads_is_only_found_exactly(client, generation, finished):
    long = "The weather was fine. " * 100
    await client.store(generation(long + "What is the capital of France?"), finished())
    missed = await client.lookup(generation(long + "What is the capital of Spain?"))
    assert (missed.reason, missed.best_similarity) == (pb.Missed.REASON_NOT_STORED, 0)
    assert (await client.lookup(generation(long + "What is the capital of France?"))).answer == finished()


async def test_invalidating_forgets_this_tenants_answers_only(client, generation, finished):
    stranger = client.of(client.tenant + "x")
    for one in (client, stranger):
        await one.store(generation(FRANCE), finished())
        await one.store(generation(FRANCE, model="large"), finished())
    assert await client.invalidate(model="large") == 1
    assert await client.invalidate() == 1
    assert (await client.lookup(generation(FRANCE_AGAIN))).best_similarity == 0
    assert (await stranger.lookup(generation(FRANCE))).answer == finished()


async def test_stats_count_what_happened_to_this_tenant(client, generation, finished):
    await client.lookup(generation(FRANCE))
    await client.store(generation(FRANCE), finished())
    for text in (FRANCE, FRANCE, FRANCE_AGAIN, SPAIN):
        await client.lookup(generation(text))
    stats = await client.stats()
    assert (stats.exact_hits, stats.semantic_hits, stats.misses, stats.entries) == (2, 1, 2, 1)
    assert stats.tokens_saved == 3 * finished().usage.completion_tokens
    assert stats.store_bytes > 0
    assert stats.time_to_live.seconds == 24 * 3600
    assert (await client.of(client.tenant + "x").stats()).misses == 0


async def test_a_call_without_a_tenant_is_refused(client, generation):
    with pytest.raises(WeftError) as refused:
        await client.of("").lookup(generation(FRANCE))
    assert refused.value.status is grpc.StatusCode.UNAUTHENTICATED


async def test_without_an_embedder_the_exact_tier_still_answers(serving, redis_url, generation, finished):
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    async with serving(redis_url=redis_url, inference_target=nobody) as client:
        assert await client.store(generation(FRANCE), finished())
        assert (await client.lookup(generation(FRANCE))).hit.tier == EXACT
        assert (await client.lookup(generation(FRANCE_AGAIN))).reason == pb.Missed.REASON_NOT_STORED


async def test_two_hundred_lookups_at_once_each_get_their_own_answer(client, generation, finished):
    requests = [generation(f"Question {n}?", cache=job_pb2.CachePolicy(mode=EXACT)) for n in range(200)]
    assert all(await asyncio.gather(*(client.store(one, finished(f"{n}")) for n, one in enumerate(requests))))
    found = await asyncio.gather(*(client.lookup(one) for one in requests))
    assert [one.answer.text for one in found] == [str(n) for n in range(200)]
    assert await client.invalidate() == 200


async def test_forgetting_and_counting_say_when_redis_is_away(serving, inference_target):
    async with serving(redis_url="redis://127.0.0.1:1/0", inference_target=inference_target) as client:
        for call in (client.invalidate, client.stats):
            with pytest.raises(WeftError) as refused:
                await call()
            assert refused.value.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
