"""Mistakes in the environment of a mesh: found before anything starts, and never where there are none."""

import re
from itertools import permutations
from pathlib import Path

import pytest
from tests.compose.test_plan import URLS, launch

from weft_compose.errors import WrongSettings
from weft_compose.plan import SERVICES, plan_services
from weft_compose.settings import check_settings, settings_of
from weft_compose.state import Mesh

ROOT = Path(__file__).parents[2]
PLANS = plan_services(launch(), URLS, Mesh(endpoint="", operator_token="operator"))


def told(**environ: str) -> str:
    with pytest.raises(WrongSettings) as wrong:
        check_settings(PLANS, environ)
    return str(wrong.value)


@pytest.mark.parametrize(("one", "other"), list(permutations(SERVICES, 2)))
def test_the_settings_of_one_service_are_no_typos_of_another_s(one, other):
    theirs = dict.fromkeys(settings_of(other).variables() - settings_of(one).variables(), "")
    assert settings_of(one).problems(theirs) == []


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("WEFT_ROUTER_FIRST_WAITS", "WEFT_ROUTER_FIRST_WAIT_S"),
        ("WEFT_GATEWAY_NATSURL", "WEFT_GATEWAY_NATS_URL"),
        ("WEFT_GATWAY_READ_LIMIT_S", "WEFT_GATEWAY_READ_LIMIT_S"),
    ],
)
def test_a_mistyped_variable_is_told_once_with_the_name_that_was_meant(mistyped, meant):
    assert told(**{mistyped: "1"}) == f"{mistyped}: no such setting; did you mean {meant}?"


def test_all_mistakes_are_told_together():
    said = told(WEFT_ROUTER_SLOTS="many", WEFT_CACHE_TTL="1")
    assert said.startswith("2 settings are wrong:")
    assert "\n  WEFT_ROUTER_SLOTS: Input should be a valid integer" in said
    assert "\n  WEFT_CACHE_TTL: no such setting" in said


def test_what_the_catalog_and_the_command_line_read_is_no_mistake():
    check_settings(
        PLANS, {"WEFT_INFERENCE_TARGET": "127.0.0.1:1", "WEFT_API_KEY": "k", "WEFT_STATE": "s", "PATH": "/bin"}
    )


WRITTEN = [*ROOT.glob("docs/*.md"), *ROOT.glob("compose/*.md"), *ROOT.glob("compose/*.y*ml"), ROOT / "README.md"]


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_every_setting_that_is_written_of_is_one(file):
    known = {"WEFT_INFERENCE_TARGET"}.union(*(settings_of(service).variables() for service in SERVICES))
    named = re.findall(rf"\bWEFT_(?:{'|'.join(SERVICES).upper()})_[A-Z0-9_]*[A-Z0-9]\b", file.read_text())
    assert set(named) - known == set()
