"""The semantic tier with the real embedder and the real verifier: what it serves, and what it rather does not."""

import asyncio

import pytest

from weft.cache.v1 import cache_pb2 as pb
from weft.job.v1 import job_pb2

DARK = "How do I turn on dark mode?"
PARAPHRASES = ["How do I enable dark mode?", "how do i turn on dark mode", "Please tell me how to turn on dark mode."]
OTHERS = [
    "How do I turn off dark mode?",
    "How do I turn on dark mode in 2 apps?",
    "Why is dark mode better for the eyes?",
    "When was dark mode invented?",
]


@pytest.fixture(autouse=True)
async def _searched_before(client, generation):
    """The first search makes the index; what was stored before it is found a little later."""
    await client.lookup(generation("Is anything here?"))


@pytest.mark.parametrize("paraphrase", PARAPHRASES)
async def test_a_paraphrase_is_served_and_the_hit_says_how_sure_it_is(client, generation, finished, paraphrase):
    await client.store(generation(DARK), finished("Settings, then Display."))
    found = await client.lookup(generation(paraphrase))
    assert found.answer.text == "Settings, then Display."
    assert found.hit.tier == job_pb2.CACHE_MODE_SEMANTIC
    assert 0.7 < found.hit.similarity < 1
    assert 0.3 < found.hit.confidence < 1


@pytest.mark.parametrize("other", OTHERS)
async def test_a_near_question_that_asks_something_else_is_a_miss(client, generation, finished, other):
    await client.store(generation(DARK), finished())
    missed = await client.lookup(generation(other))
    assert missed.reason == pb.Missed.REASON_NOT_STORED
    assert missed.best_similarity > 0.5


async def test_of_several_near_ones_the_one_that_asks_the_same_is_served(client, generation, finished):
    stored = [DARK, *OTHERS]
    await asyncio.gather(*(client.store(generation(text), finished(text)) for text in stored))
    assert (await client.lookup(generation(PARAPHRASES[-1]))).answer.text == DARK


async def test_an_exact_hit_is_as_sure_as_can_be(client, generation, finished):
    await client.store(generation(DARK), finished())
    assert (await client.lookup(generation(DARK))).hit.confidence == 1


async def test_a_precision_that_was_never_measured_is_never_promised(
    serving, redis_url, inference_target, generation, finished
):
    async with serving(redis_url=redis_url, inference_target=inference_target, target_precision=0.99999) as client:
        await client.store(generation(DARK), finished())
        assert (await client.lookup(generation(PARAPHRASES[0]))).reason == pb.Missed.REASON_NOT_STORED
