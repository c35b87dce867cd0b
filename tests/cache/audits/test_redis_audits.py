"""What audits found, as replicas tell it to each other."""

import asyncio
from dataclasses import replace

import pytest

from weft_cache.audits.adaptive_threshold import AdaptiveThreshold
from weft_cache.audits.redis_audits import RedisAudits
from weft_cache.records import Audited


@pytest.fixture
def replicas(guard):
    return RedisAudits(guard), RedisAudits(guard)


async def test_a_watch_is_read_back_as_it_was_left(replicas, tenant):
    here, there = replicas
    left = AdaptiveThreshold(level=2, since=1763845123.25, audits=7, wrong=1, rests=3)
    assert await here.read(tenant, "p") == AdaptiveThreshold()
    assert await here.change(tenant, "p", lambda _: left) == (AdaptiveThreshold(), left)
    assert await there.read(tenant, "p") == left
    assert await there.read(tenant, "another") == await there.read(tenant + "x", "p") == AdaptiveThreshold()


async def test_changes_made_at_once_all_count(replicas, tenant):
    def one_more(watch):
        return replace(watch, audits=watch.audits + 1)

    await asyncio.gather(*(replicas[n % 2].change(tenant, "p", one_more) for n in range(8)))
    assert (await replicas[0].read(tenant, "p")).audits == 8


async def test_counts_are_kept_by_tenant_and_model_and_together(replicas, tenant):
    here, there = replicas
    model = f"model-of-{tenant}"
    assert await here.count(tenant, model, is_wrong=True) == Audited(1, 1)
    assert await there.count(tenant + "x", model, is_wrong=False) == Audited(2, 1)
    assert await there.by_model(tenant) == {model: Audited(1, 1)}


async def test_a_tenants_audits_of_a_minute_are_shared_by_all_replicas(replicas, tenant):
    taken = [await replicas[n % 2].may_audit(tenant, 3) for n in range(12)]
    # As many again when a minute began meanwhile.
    assert taken.count(True) in {3, 6}
    assert await replicas[0].may_audit(tenant + "x", 3)
