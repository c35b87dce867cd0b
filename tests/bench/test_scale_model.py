"""The model of what a mesh needs: its arithmetic, worked out by hand for round figures."""

from dataclasses import replace

import pytest
from bench.scale.model import SLOTS, Workload, limits, need, region_of
from tests.bench.scale_findings import COSTS, STREAM

# Ten jobs a second, of two messages of tokens each: what a measured short job has.
SHORT = Workload(tenants=0, jobs_per_hour=36_000, answer_tokens=50, tokens_per_second=1000, prompt_bytes=1000)


def test_jobs_in_flight_are_rate_times_duration():
    workload = Workload(tenants=1, jobs_per_hour=3600, answer_tokens=400, tokens_per_second=40, first_token_s=0.5)
    assert workload.in_flight == pytest.approx(10.5)


@pytest.mark.parametrize(("flush_interval_s", "messages"), [(0.025, 500), (0.25, 50), (0.001, 500), (30.0, 1)], ids=str)
def test_tokens_of_one_flush_interval_are_one_message(flush_interval_s, messages):
    workload = replace(SHORT, answer_tokens=500, tokens_per_second=40, flush_interval_s=flush_interval_s)
    assert workload.messages_of_tokens == messages


def test_a_short_job_costs_what_was_measured():
    found = need(SHORT, COSTS, STREAM)
    assert found.messages_per_second == pytest.approx(50)
    assert found.cores["nats"] == pytest.approx(10 * 0.003 + 0.06)
    assert found.cores["gateway"] == pytest.approx(10 * 0.004 + 2 * 0.02)
    assert found.leader_cores == pytest.approx(found.cores["nats"] / 2)


def test_further_messages_of_tokens_cost_on_top():
    paced = replace(SHORT, answer_tokens=102, tokens_per_second=40)
    more = need(paced, COSTS, STREAM).messages_per_second - need(SHORT, COSTS, STREAM).messages_per_second
    assert more == pytest.approx(10 * 100)
    difference = need(paced, COSTS, STREAM).cores["postgres"] - need(SHORT, COSTS, STREAM).cores["postgres"]
    assert difference == pytest.approx(0)
    assert limits(paced, COSTS).router == pytest.approx(1 / (0.005 + 100 * 200e-6))


def test_there_are_two_of_each_and_as_many_as_the_work_or_the_slots_need():
    assert need(SHORT, COSTS, STREAM).replicas == {"gateway": 2, "router": 2, "nats": 3}
    # 500 jobs a second of 5 ms are 2.5 cores, at 0.57 of a core each beyond idling.
    assert need(replace(SHORT, jobs_per_hour=1_800_000), COSTS, STREAM).replicas["router"] == 5
    slow = replace(SHORT, jobs_per_hour=360_000, first_token_s=100.0, answer_tokens=1)
    assert need(slow, COSTS, STREAM).replicas["router"] == pytest.approx(100 * 100 / SLOTS, abs=1)


def test_each_lane_costs_every_router_that_asks_it():
    few = need(SHORT, COSTS, STREAM)
    many = need(replace(SHORT, tenants=1000), COSTS, STREAM)
    assert many.replicas["router"] == 2
    assert many.cores["nats"] - few.cores["nats"] == pytest.approx(1000 * (50e-6 + 5e-6))
    assert many.memory_mib["nats"] - few.memory_mib["nats"] == pytest.approx(1000 * 96 / 1024 / 3)
    assert many.memory_mib["router"] - few.memory_mib["router"] == pytest.approx(1000 * 4 / 1024)


def test_a_stream_that_waits_costs_its_gateway_and_nats_and_one_that_runs_only_memory():
    few = need(SHORT, COSTS, STREAM)
    many = need(replace(SHORT, waiting_streams=1000), COSTS, STREAM)
    assert many.cores["gateway"] - few.cores["gateway"] == pytest.approx(1000 * 50e-6)
    assert many.cores["nats"] - few.cores["nats"] == pytest.approx(1000 * 20e-6)
    assert many.memory_mib["gateway"] - few.memory_mib["gateway"] == pytest.approx(1000 * 40 / 1024 / 2)
    long = need(replace(SHORT, first_token_s=100.0), COSTS, STREAM)
    assert long.replicas["gateway"] == 2
    assert long.memory_mib["gateway"] - few.memory_mib["gateway"] == pytest.approx(10 * 99.5 * 40 / 1024 / 2)


def test_the_log_keeps_events_for_its_retention_and_tokens_for_less():
    workload = replace(SHORT, retention_s=100.0, delta_ttl_s=60.0, bytes_per_token=4.0)
    events = 10 * 100 * (1500 + 1000 + 200)
    tokens = 10 * 60 * (2 * 200 + 200)
    assert need(workload, COSTS, STREAM).log_gib * 2**30 == pytest.approx(events + tokens)


def test_longer_texts_travel_to_every_copy_and_reader():
    more = replace(SHORT, prompt_bytes=2000)
    short, long = need(SHORT, COSTS, STREAM), need(more, COSTS, STREAM)
    assert (long.read_mib_per_second - short.read_mib_per_second) * 2**20 == pytest.approx(10 * 1000 * 3)
    assert (long.written_mib_per_second - short.written_mib_per_second) * 2**20 == pytest.approx(10 * 1000 * 7)


def test_rows_are_kept_for_a_year_and_texts_for_a_month():
    workload = replace(SHORT, busy_hours=10, records_days=365, contents_days=30, bytes_per_token=4.0)
    found = need(workload, COSTS, STREAM)
    assert found.rows == pytest.approx(360_000 * 365)
    assert found.rows_gib * 2**30 == pytest.approx(360_000 * (365 * 1000 + 30 * (1000 + 200)))


def test_a_leader_that_is_full_means_another_log():
    assert need(SHORT, COSTS, STREAM).streams == 1
    # 1,000 jobs a second of 3 ms, half of it the leader's: 1.5 cores, at 0.6 each.
    assert need(replace(SHORT, jobs_per_hour=3_600_000), COSTS, STREAM).streams == 3


def test_a_region_has_its_share_of_tenants_and_jobs():
    region = region_of(replace(SHORT, tenants=1000), 9)
    assert region.tenants == 112
    assert region.jobs_per_hour == pytest.approx(4000)
    assert region.answer_tokens == SHORT.answer_tokens


def test_limits_do_not_depend_on_the_rate():
    found = limits(SHORT, COSTS)
    assert found == limits(replace(SHORT, jobs_per_hour=1.0), COSTS)
    assert (found.gateway, found.router) == (pytest.approx(250), pytest.approx(200))
    assert found.leader == pytest.approx(1 / 0.0015)
    assert found.slots == pytest.approx(SLOTS / SHORT.job_s)
