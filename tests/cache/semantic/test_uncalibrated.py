"""An embedder that certainty was not calibrated for: the exact tier answers, the semantic tier is off and says so."""

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests.cache.inference.played_inference import playing

from weft.cache.v1 import cache_pb2 as pb
from weft.job.v1 import job_pb2
from weft_cache.records import Vector
from weft_cache.semantic.calibration import CALIBRATED_FOR
from weft_cache.semantic.choice import Reason
from weft_cache.semantic.coverage import TRY_AGAIN_S, Coverage, QuestionReader

SEMANTIC = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_SEMANTIC)
MULTILINGUAL = "multilingual-e5-small-q4-fp32"
[CALIBRATED] = [name for name in CALIBRATED_FOR if name.endswith("fp32")]


@pytest.fixture
async def inference():
    async with playing() as played:
        yield played


@pytest.fixture
async def client(serving, redis_url, inference):
    async with serving(redis_url=redis_url, inference_target=inference.target) as client:
        yield client


def counted(outcome):
    return REGISTRY.get_sample_value("weft_cache_lookups_total", {"outcome": outcome}) or 0


async def test_the_exact_tier_answers_and_nothing_is_served_by_meaning(client, inference, generation, finished):
    await client.lookup(generation("Is anything here?", cache=SEMANTIC))  # makes the index
    await client.store(generation("What is it?", cache=SEMANTIC), finished("This."))
    assert (await client.lookup(generation("What is it, please?", cache=SEMANTIC))).answer.text == "This."
    inference.embedder = MULTILINGUAL
    before = counted("uncalibrated")
    missed = await client.lookup(generation("What is it, pray?", cache=SEMANTIC))
    assert (missed.reason, missed.best_similarity) == (pb.Missed.REASON_NOT_STORED, 0)
    assert counted("uncalibrated") == before + 1
    assert (await client.lookup(generation("What is it?", cache=SEMANTIC))).hit.tier == job_pb2.CACHE_MODE_EXACT


async def test_an_answer_is_kept_without_a_vector(client, inference, generation, finished):
    inference.embedder = MULTILINGUAL
    assert await client.store(generation("What is it?", cache=SEMANTIC), finished("This."))
    assert (await client.lookup(generation("What is it?", cache=SEMANTIC))).answer.text == "This."


async def test_it_is_logged_with_the_embedder_and_not_for_every_lookup(client, inference, generation):
    inference.embedder = MULTILINGUAL
    with capture_logs() as lines:
        for number in range(3):
            await client.lookup(generation(f"What is it, number {number}?", cache=SEMANTIC))
    [told] = [line for line in lines if "semantic tier is off" in line["event"]]
    assert MULTILINGUAL in told["error"]


async def test_an_embedder_that_reads_more_languages_covers_no_more_of_them(client, inference, generation):
    for question in ("Wie schalte ich den Dunkelmodus ein?", "Как включить тёмный режим?", "如何打开深色模式"):
        before = counted("language")
        await client.lookup(generation(question, cache=SEMANTIC))
        assert counted("language") == before + 1
    assert inference.asked.empty()


class Played:
    """An embedder whose name the test sets; remembers as the real one does."""

    def __init__(self) -> None:
        self.name, self.asked = MULTILINGUAL, 0
        self._latest: dict[tuple[str, str], Vector] = {}

    def remembered(self, tenant, text):
        return self._latest.get((tenant, text))

    def forget(self, tenant, text):
        self._latest.pop((tenant, text), None)

    async def embed(self, tenant, text):
        if found := self.remembered(tenant, text):
            return found
        self.asked += 1
        return self._latest.setdefault((tenant, text), Vector(self.name, b""))


async def test_it_is_asked_again_after_a_while_and_the_tier_is_on_once_a_calibrated_one_answers():
    played, now = Played(), 0.0
    reader = QuestionReader(played, Coverage({"*"}), clock=lambda: now)
    assert reader.refusal("a") is None
    assert await reader.read("acme", "a") is Reason.UNCALIBRATED
    assert reader.refusal("a") is Reason.UNCALIBRATED
    played.name, now = CALIBRATED, TRY_AGAIN_S
    assert reader.refusal("a") is None
    assert (await reader.read("acme", "a")).embedder == CALIBRATED
    assert (reader.refusal("a"), played.asked) == (None, 2)
