"""From what was measured to costs and to the report: differences, ratios, and what the report owns up to."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from bench.scale.affinity import Placement, kind_of
from bench.scale.costs import KINDS, Measured, read, write
from bench.scale.findings import costs_of, stream_cost
from bench.scale.report import render
from bench.scale.run_size import RunSize
from bench.scale.scaled_mesh import by_kind, turns
from docs.generate.scaling import figures
from tests.bench.scale_findings import COSTS, STREAM, findings

TWO_CORES = Placement.of({0, 1})


def test_on_few_cores_load_and_mesh_share_them_and_on_many_they_do_not():
    assert (TWO_CORES.mesh, TWO_CORES.load) == ((0, 1), (0, 1))
    assert TWO_CORES.is_shared
    eight = Placement.of(range(8))
    assert (eight.load, eight.mesh) == ((0, 1), (2, 3, 4, 5, 6, 7))
    assert not eight.is_shared


def test_replicas_have_a_core_each_in_turn():
    names = ["nats", "router", "router-2", "gateway", "gateway-2", "mock", "client"]
    cores = Placement.of(range(4)).cores_of(names)
    assert [cores[name] for name in ("gateway", "gateway-2", "router", "router-2")] == [(1,), (2,), (3,), (1,)]
    assert cores["nats"] == (1, 2, 3)
    assert cores["mock"] == cores["client"] == (0,)


def test_one_gateway_and_one_router_are_on_different_cores_of_two():
    cores = TWO_CORES.cores_of(["router", "gateway"])
    assert cores["gateway"] != cores["router"]


def test_replicas_count_as_their_kind():
    assert kind_of("gateway-4") == "gateway"
    assert kind_of("pass-through") == "pass-through"
    assert by_kind({"nats": 1.0, "nats-2": 2.0, "router": 4.0}) == {"nats": 3.0, "router": 4.0}


@pytest.mark.parametrize("keys", [2, 3, 4, 10, 1000])
def test_calls_change_tenant_each_time_and_use_every_client_once(keys):
    order = turns(4, 4 * keys)
    assert sorted(order) == list(range(4 * keys))
    assert all(one // 4 != other // 4 for one, other in pairwise(order))
    assert {client // 4 for client in order[:keys]} == set(range(keys))


def test_a_job_costs_what_was_used_beyond_idling():
    costs = costs_of(findings())[1]
    # 2.1 CPU seconds in 10 s, of which 0.01 core idling, for 1,000 jobs.
    assert costs.job_ms["router"] == pytest.approx(2.0)
    assert costs_of(findings())[3].job_ms["nats"] == pytest.approx(6.2)
    assert costs.job_read_bytes == pytest.approx(5000)


def test_a_message_of_tokens_costs_what_paced_jobs_use_more():
    costs = costs_of(findings())[1]
    # 5.6 s less 0.6 s idling is 50 ms a job, less 2 ms, for 198 messages.
    assert costs.message_us["gateway"] == pytest.approx(1000 * 48 / 198)
    assert costs.message_read_bytes == pytest.approx((25_000 - 5_000) / 198)


def test_a_lane_costs_what_a_thousand_more_do_and_a_second_router_adds():
    costs = costs_of(findings())[1]
    assert costs.lane_us["nats"] == pytest.approx(50)
    assert costs.lane_kib["router"] == pytest.approx(102.4)
    # 0.08 with the second, less 0.06 with one and 0.01 of a router without tenants.
    assert costs.lane_router_us["router"] == pytest.approx(1e6 * 0.01 / 1010)
    assert costs.lane_router_us["nats"] == 0


def test_a_job_in_the_log_costs_memory_of_each_server():
    assert costs_of(findings())[3].job_kib == pytest.approx(1.0)
    assert costs_of(findings())[3].busiest_nats == pytest.approx(1 / 3)


def test_an_open_stream_costs_what_a_step_of_them_adds():
    assert stream_cost(findings()).kib["gateway"] == pytest.approx(1024 * 4 * 4 / 400)
    assert stream_cost(findings()).us["nats"] == pytest.approx(50)


def test_costs_are_read_as_they_were_written_to_three_digits(tmp_path):
    measured = Measured("two cores", "make scale", False, 1.0, {3: replace(COSTS, row_bytes=1234.5)}, STREAM)
    write(measured, tmp_path / "SCALE.json")
    assert read(tmp_path / "SCALE.json") == replace(measured, costs={3: replace(COSTS, row_bytes=1230.0)})
    assert json.loads((tmp_path / "SCALE.json").read_text())["costs"]["3"]["nats"] == 3


def report(command="make scale", errors=0, placement=TWO_CORES):
    found = findings(errors)
    return render(found, costs_of(found), stream_cost(found), placement, command)


def test_the_report_counts_every_error_and_says_what_others_took():
    assert "0 errors in all. Others took 2.5 % of the machine at most." in report()
    assert "42 errors in all." in report(errors=7)


def test_the_report_says_where_throughput_cannot_grow():
    assert "throughput cannot grow" in report()
    assert "throughput cannot grow" not in report(placement=Placement.of(range(16)))


def test_a_quick_run_says_so():
    assert "not for quoting" in report("python -m bench.scale --quick")
    assert "not for quoting" not in report()
    costs = {1: COSTS, 3: COSTS}
    assert "not for quoting" in "\n".join(figures(Measured("two cores", "x", True, 1.0, costs, STREAM)))


def test_speed_stands_beside_the_pass_through_of_the_same_round():
    row = next(line for line in report().splitlines() if line.startswith("| R3 | 4 | 256 | 100"))
    assert row == "| R3 | 4 | 256 | 100 | 0.25 | 200 | 400 | 0 |"


def test_the_figures_of_the_docs_follow_what_was_measured():
    measured = Measured("two cores", "make scale", False, 1.0, {1: COSTS, 3: COSTS}, STREAM)
    dearer = replace(COSTS, job_ms={kind: 2 * ms for kind, ms in COSTS.job_ms.items()})
    assert figures(measured) != figures(replace(measured, costs={1: COSTS, 3: dearer}))


def test_disturbed_measurements_are_made_again_only_so_often():
    size = RunSize(repeats=1)
    assert size.tries == 2
    size.made(2)
    assert size.tries == 1
    assert RunSize.quick().tries == 1
    assert set(KINDS) == set(COSTS.job_ms)
