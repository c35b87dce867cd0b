"""More semantic lookups than there is time for: refused at once, while the exact tier answers."""

import asyncio

import pytest
from tests.cache.inference.played_inference import playing

from weft.cache.v1 import cache_pb2 as pb
from weft.job.v1 import job_pb2

SEMANTIC = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_SEMANTIC)
NARROW = {"lookups_at_once": 1, "lookup_limit_s": 1.0, "silence_s": 60.0}


@pytest.fixture
async def inference():
    async with playing() as played:
        yield played


async def test_what_there_is_no_time_for_is_refused_and_the_exact_tier_answers(
    serving, redis_url, inference, generation, finished
):
    def asking(text):
        return generation(text, cache=SEMANTIC)

    async with serving(redis_url=redis_url, inference_target=inference.target, **NARROW) as client:
        exact = generation("What is it?", cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT))
        await client.store(exact, finished("This."))  # embeds nothing
        late = await client.lookup(asking("Do wait"))
        assert late.reason == pb.Missed.REASON_OVERLOADED
        inference.asked = asyncio.Queue()
        running = asyncio.create_task(client.lookup(asking("Do wait again")))
        await inference.asked.get()
        # A lookup took a second, so another one behind this would have none left.
        refused = await asyncio.gather(*(client.lookup(asking(f"Is it {number}?")) for number in range(8)))
        assert {missed.reason for missed in refused} == {pb.Missed.REASON_OVERLOADED}
        assert inference.asked.empty()
        assert (await client.lookup(asking("What is it?"))).answer.text == "This."
        assert not running.done()
        assert (await running).reason == pb.Missed.REASON_OVERLOADED


async def test_after_slow_lookups_the_tier_is_tried_again(serving, redis_url, inference, generation, finished):
    async with serving(redis_url=redis_url, inference_target=inference.target, **NARROW) as client:
        await client.lookup(generation("Is anything here?", cache=SEMANTIC))  # makes the index
        await client.store(generation("What is it?", cache=SEMANTIC), finished("This."))
        for number in range(4):
            await client.lookup(generation(f"Do wait {number}", cache=SEMANTIC))
        found = await client.lookup(generation("What is it, please?", cache=SEMANTIC))
        assert found.answer.text == "This."


async def test_a_verifier_that_is_late_means_a_miss(serving, redis_url, inference, generation, finished):
    async with serving(redis_url=redis_url, inference_target=inference.target, **NARROW) as client:
        await client.lookup(generation("Is anything here?", cache=SEMANTIC))  # makes the index
        await client.store(generation("What is it?", cache=SEMANTIC), finished("This."))
        inference.compares.clear()
        missed = await client.lookup(generation("What is it, please?", cache=SEMANTIC))
        assert missed.reason == pb.Missed.REASON_OVERLOADED
        inference.compares.set()
        assert (await client.lookup(generation("What is it, please?", cache=SEMANTIC))).answer.text == "This."
