"""The semantic tier measures itself: what is drawn, what comes back, and what follows."""

import pytest
from prometheus_client import REGISTRY

from weft.cache.v1 import cache_pb2 as pb
from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_kit.rpc.errors import WeftError

FRANCE = "What is the capital of France?"
SPACED = "What is  the capital of France?"  # not equal to the byte, and the same to every model
SAME, DIFFERENT = pb.ReportAuditResponse.VERDICT_SAME, pb.ReportAuditResponse.VERDICT_DIFFERENT
NOT_COMPARED = pb.ReportAuditResponse.VERDICT_NOT_COMPARED
EVERY_HIT = {"audit_share": 1.0, "audits_per_minute": 1000}


@pytest.fixture
async def client(serving, redis_url, inference_target, generation, finished):
    """A cache that knows the answer to one question, and wants to be told whether it was right."""
    async with serving(redis_url=redis_url, inference_target=inference_target, **EVERY_HIT) as client:
        await client.store(generation(FRANCE), finished("Paris."))
        yield client


async def audited(client, generation) -> job_pb2.Audit:
    found = await client.lookup(generation(SPACED))
    assert found.hit.tier == job_pb2.CACHE_MODE_SEMANTIC
    return found.audit


async def reported(client, generation, answer, model="small"):
    return await client.report(model=model, audit=await audited(client, generation), answer=answer)


async def test_a_semantic_hit_is_to_be_asked_again_and_an_exact_one_never(client, generation):
    audit = await audited(client, generation)
    assert (audit.served_text, audit.collection_version) == ("Paris.", 0)
    assert not (await client.lookup(generation(FRANCE))).HasField("audit")


async def test_hits_that_nobody_drew_ask_for_nothing(serving, redis_url, inference_target, generation, finished):
    async with serving(redis_url=redis_url, inference_target=inference_target, audit_share=0.0) as client:
        await client.store(generation(FRANCE), finished())
        assert not (await client.lookup(generation(SPACED))).HasField("audit")


async def test_no_more_is_asked_again_in_a_minute_than_a_tenant_may(
    serving, redis_url, inference_target, generation, finished
):
    limits = {"audit_share": 1.0, "audits_per_minute": 3}
    async with serving(redis_url=redis_url, inference_target=inference_target, **limits) as client:
        await client.store(generation(FRANCE), finished())
        drawn = [(await client.lookup(generation(SPACED))).HasField("audit") for _ in range(20)]
    # As many again when a minute began meanwhile.
    assert drawn.count(True) in {3, 6}


async def test_what_comes_back_is_compared_and_counted(client, generation, finished):
    answers = ("Paris", "The capital of France is Paris.", "The capital of France is Lyon.")
    verdicts = [await reported(client, generation, finished(text)) for text in answers]
    assert verdicts == [SAME, SAME, DIFFERENT]
    stats = await client.stats()
    assert (stats.false_hits.audits, stats.false_hits.wrong) == (3, 1)
    assert stats.false_hits.rate == pytest.approx(1 / 3)
    assert (stats.false_hits.rate_low, stats.false_hits.rate_high) == pytest.approx((0.0615, 0.7923), abs=1e-4)
    [model] = stats.model_false_hits
    assert (model.model, model.false_hits) == ("small", stats.false_hits)
    assert not (await client.of(client.tenant + "x").stats()).HasField("false_hits")


async def test_answers_that_words_do_not_tell_apart_are_compared_by_meaning(client, generation, finished):
    audit = job_pb2.Audit(partition="p", served_text="You should restart the router to fix the connection.")
    same = "To fix the connection, restarting the router is what you should do."
    other = "Lighthouses are painted in stripes so that ships can see them by day."
    assert await client.report(model="small", audit=audit, answer=finished(same)) == SAME
    assert await client.report(model="small", audit=audit, answer=finished(other)) == DIFFERENT


@pytest.mark.parametrize(
    "report",
    [
        {"answer": {"finish_reason": chat_pb2.FINISH_REASON_LENGTH}},
        {"collection_version": 7},
    ],
)
async def test_what_cannot_be_compared_counts_for_nothing(client, generation, finished, report):
    answer = finished("Lyon.", **report.pop("answer", {}))
    audit = await audited(client, generation)
    assert await client.report(model="small", audit=audit, answer=answer, **report) == NOT_COMPARED
    assert not (await client.stats()).HasField("false_hits")


async def test_a_partition_found_wrong_becomes_stricter_until_it_is_off(client, generation, finished):
    audit = await audited(client, generation)
    climbs = 0
    while isinstance(await client.lookup(generation(SPACED)), pb.Found):
        assert await client.report(model="small", audit=audit, answer=finished("Lyon.")) == DIFFERENT
        climbs += 1
        assert climbs <= 8, "two wrong hits a rung, four rungs"
    assert (await client.lookup(generation(FRANCE))).hit.tier == job_pb2.CACHE_MODE_EXACT


async def test_it_comes_back_by_itself(serving, redis_url, inference_target, generation, finished):
    hurried = {"strict_for_s": 0.05, "off_for_s": 0.05}
    target = {"redis_url": redis_url, "inference_target": inference_target}
    async with serving(**target, **EVERY_HIT, **hurried) as client:
        await client.store(generation(FRANCE), finished("Paris."))
        audit = await audited(client, generation)
        for _ in range(8):
            await client.report(model="small", audit=audit, answer=finished("Lyon."))
        while isinstance(await client.lookup(generation(SPACED)), pb.Missed):
            pass


async def test_one_tenants_audits_do_not_touch_another(client, generation, finished):
    stranger = client.of(client.tenant + "x")
    audit = await audited(client, generation)
    for _ in range(10):
        await stranger.report(model="small", audit=audit, answer=finished("Lyon."))
    assert isinstance(await client.lookup(generation(SPACED)), pb.Found)


async def test_the_rate_is_a_metric_by_model(client, generation, finished):
    model = client.tenant  # a name nobody else counts under
    for text in ("Paris.", "Lyon."):
        await reported(client, generation, finished(text), model)
    low, rate, high = (
        REGISTRY.get_sample_value("weft_cache_false_hit_rate", {"model": model, "bound": bound})
        for bound in ("low", "rate", "high")
    )
    assert 0 < low < rate == 0.5 < high < 1
    verdicts = {"model": model, "verdict": "different"}
    assert REGISTRY.get_sample_value("weft_cache_audits_total", verdicts) == 1


async def test_a_report_that_could_not_be_counted_says_so(serving, inference_target, finished):
    async with serving(redis_url="redis://127.0.0.1:1/0", inference_target=inference_target) as client:
        audit = job_pb2.Audit(partition="p", served_text="Paris.")
        with pytest.raises(WeftError, match="not counted"):
            await client.report(model="small", audit=audit, answer=finished("Lyon."))
