"""The plan: who is told what, when a service has replicas."""

import json
from pathlib import Path

import pytest

from weft_compose.plan import Launch, Ports, ServicePlan, Urls, plan_services
from weft_compose.state import Mesh, StateFolder
from weft_kit.joblog import LogConfig

URLS = Urls("nats://n", "postgresql://p", "redis://v")
MESH = Mesh(endpoint="", operator_token="operator", webhook_signing_key="signing")


def launch(**given) -> Launch:
    return Launch(StateFolder(Path("state")), Ports.counted_from(7600), Path("weft.toml"), engine="echo", **given)


def planned(given: Launch) -> dict[str, ServicePlan]:
    return {plan.name: plan for plan in plan_services(given, URLS, MESH)}


def test_one_of_each_is_called_by_its_plain_address():
    plans = planned(launch())
    assert list(plans) == ["inference", "retrieval", "cache", "router", "gateway"]
    assert plans["gateway"].environment()["WEFT_GATEWAY_LISTEN"] == "127.0.0.1:7600"
    assert plans["gateway"].environment()["WEFT_GATEWAY_METRICS_LISTEN"] == "127.0.0.1:7620"
    assert plans["retrieval"].settings["inference_target"] == "127.0.0.1:7604"


def test_callers_of_replicas_are_told_all_of_them():
    plans = planned(launch(replicas={"inference": 2, "retrieval": 2, "cache": 2, "router": 3}))
    assert plans["inference-2"].environment()["WEFT_INFERENCE_LISTEN"] == "127.0.0.1:7704"
    assert plans["retrieval-2"].settings["inference_target"] == "ipv4:127.0.0.1:7604,127.0.0.1:7704"
    assert plans["router"].catalog_variables["WEFT_INFERENCE_TARGET"] == "ipv4:127.0.0.1:7604,127.0.0.1:7704"
    gateway = plans["gateway"].settings
    assert gateway["cache_target"] == "ipv4:127.0.0.1:7605,127.0.0.1:7705"
    assert gateway["retrieval_target"] == "ipv4:127.0.0.1:7603,127.0.0.1:7703"
    assert gateway["router_target"] == "ipv4:127.0.0.1:7602,127.0.0.1:7702,127.0.0.1:7802"


def test_a_part_starts_after_all_replicas_of_what_it_needs():
    plans = planned(launch(replicas={"nats": 3, "inference": 2}))
    assert set(plans["router"].needs) == {"nats", "nats-2", "nats-3", "inference", "inference-2", "retrieval", "cache"}


def test_no_two_replicas_share_a_port():
    for ports in (Ports.counted_from(7600), Ports.counted_from(0)):
        replicas = {"gateway": 3, "router": 3, "inference": 3}
        given = Launch(StateFolder(Path("state")), ports, Path("weft.toml"), replicas=replicas)
        taken = [port for plan in planned(given).values() for port in plan.ports]
        assert len(set(taken)) == len(taken) == 2 * (3 + 3 + 3 + 1 + 1)


def test_all_replicas_of_a_service_get_the_settings_given_for_it():
    plans = planned(launch(replicas={"router": 2}, settings={"router": {"slots": "4"}}))
    assert plans["router"].environment()["WEFT_ROUTER_SLOTS"] == "4"
    assert plans["router-2"].environment()["WEFT_ROUTER_SLOTS"] == "4"
    assert "slots" not in plans["gateway"].settings


def test_gateway_and_router_are_told_the_same_shape_of_log():
    shape = LogConfig(replicas=3, retention_s=7200)
    plans = planned(launch(replicas={"nats": 3}, log=shape))
    told = plans["gateway"].environment()["WEFT_GATEWAY_LOG"]
    assert told == plans["router"].environment()["WEFT_ROUTER_LOG"]
    assert LogConfig(**json.loads(told)) == shape


def test_the_log_of_ingest_jobs_has_the_same_shape_and_another_name():
    shape = LogConfig(replicas=3, retention_s=7200)
    told = planned(launch(replicas={"nats": 3}, log=shape))["retrieval"].environment()["WEFT_RETRIEVAL_LOG"]
    assert json.loads(told)["replicas"] == 3
    assert not {"stream", "prefix", "live_prefix"} & set(json.loads(told))


def test_retrieval_knows_who_keeps_answers():
    assert planned(launch(replicas={"cache": 2}))["retrieval"].settings["cache_target"].count("7705") == 1


def test_the_gateway_alone_is_told_the_secrets():
    plans = planned(launch())
    variables = plans["gateway"].environment()
    assert variables["WEFT_GATEWAY_OPERATOR_TOKEN"] == "operator"
    assert variables["WEFT_GATEWAY_WEBHOOK_SIGNING_KEY"] == "signing"
    others = [plan for name, plan in plans.items() if name != "gateway"]
    assert not any({"operator", "signing"} & set(plan.environment().values()) for plan in others)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"replicas": {"postgres": 2}}, "2 of postgres: there can be one or more of inference"),
        ({"replicas": {"router": 0}}, "0 of router"),
        ({"settings": {"routers": {}}}, "settings for routers: the services are inference"),
        ({"log": LogConfig(replicas=3)}, "a log of 3 replicas needs as many nats, not 1"),
    ],
)
def test_what_cannot_be_launched_is_refused(wrong, line):
    with pytest.raises(ValueError, match=line):
        launch(**wrong)
