"""The container files: what they tell the services is what the services read, and all that they must be told."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.packaging.checkout import ROOT

from weft_compose.plan import SERVICES
from weft_kit.config.settings import Settings

COMPOSE = yaml.safe_load((ROOT / "compose" / "docker-compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "compose" / "Dockerfile").read_text(encoding="utf-8")
_OTHERS = ("nats", "postgres", "redis")
_ONCE = "roles"
"""Sets PostgreSQL up and ends."""
_READS_CATALOG = ("gateway", "router")


def _filled_in(text: str) -> str:
    """What Compose makes of a text where the user has set only what has no default."""
    return re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda found: found[2] if found[1] == "-" else "given", text)


def _told(service: str) -> dict[str, str]:
    """A service's settings by name, as the containers' environment has them."""
    prefix = f"WEFT_{service.upper()}_"
    environment = COMPOSE["services"][service]["environment"]
    return {
        name.removeprefix(prefix).lower(): _filled_in(str(value))
        for name, value in environment.items()
        if name.startswith(prefix)
    }


def _config(service: str) -> type[Settings]:
    return importlib.import_module(f"weft_{service}.config").Config


def test_the_services_are_those_of_the_mesh_and_the_three_servers():
    assert set(COMPOSE["services"]) == {*SERVICES, *_OTHERS, _ONCE}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_nothing_that_it_does_not_read(service: str, monkeypatch: pytest.MonkeyPatch):
    told = _told(service)
    assert set(told) - set(_config(service).model_fields) == set()
    for name, value in told.items():
        monkeypatch.setenv(f"WEFT_{service.upper()}_{name.upper()}", value)
    config = _config(service).load()
    assert {name: str(getattr(config, name)) for name in ("listen", "metrics_listen")} == {
        name: told[name] for name in ("listen", "metrics_listen")
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_where_everything_is_that_it_would_look_for_on_its_own_machine(service: str):
    elsewhere = {
        name
        for name, field in _config(service).model_fields.items()
        if name.endswith(("_url", "_target", "_file", "_dir", "listen")) or "127.0.0.1" in str(field.default)
    } - {"engine_file"}  # of which there is none unless it is set
    assert elsewhere - set(_told(service)) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_targets_name_services_and_the_ports_they_listen_on(service: str):
    listens = {name: _told(name)["listen"].rpartition(":")[2] for name in SERVICES}
    servers = {"nats": "4222", "postgres": "5432", "redis": "6379"}
    for name, value in _told(service).items():
        if name.endswith(("_target", "_url")):
            host, port = re.search(r"(?:.*[/@])?([a-z]+):(\d+)", value).groups()
            assert (host, port) in {**listens, **servers}.items(), name


@pytest.mark.parametrize("service", SERVICES)
def test_calls_and_metrics_are_open_to_the_other_containers(service: str):
    ports = {_told(service)[name].rpartition(":")[2] for name in ("listen", "metrics_listen")}
    told = COMPOSE["services"][service]
    assert ports == {*told.get("expose", ()), *(port.rpartition(":")[2] for port in told.get("ports", ()))}


def test_only_the_gateway_is_published_and_only_to_this_machine():
    published = {name: told["ports"] for name, told in COMPOSE["services"].items() if "ports" in told}
    assert published == {"gateway": ["127.0.0.1:7600:7600"]}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_longer_to_end_than_it_takes_to_drain(service: str):
    period = COMPOSE["services"][service]["stop_grace_period"]
    assert int(period.removesuffix("s")) > _config(service).model_fields["grace_s"].default + 2


@pytest.mark.parametrize("service", _READS_CATALOG)
def test_the_readers_of_the_catalog_get_it_read_only_with_the_keys_it_names(service: str):
    told: dict[str, Any] = COMPOSE["services"][service]
    mounted, kept = (_filled_in(volume).split(":") for volume in told["volumes"])
    source, target, mode = mounted
    assert (ROOT / "compose" / source).samefile(ROOT / "compose" / "weft.toml")
    assert (target, mode) == (_told(service)["catalog_file"], "ro")
    assert str(Path(_told(service)["catalog_last_good"]).parent) == kept[1]
    (keys,) = told["env_file"]
    assert keys["required"] is False
    assert _filled_in(keys["path"]) in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_everything_starts_again_and_after_what_it_needs(service: str):
    told = COMPOSE["services"][service]
    assert told["restart"] == ("on-failure" if service == _ONCE else "unless-stopped")
    waits = told.get("depends_on", {})
    assert set(waits) <= set(COMPOSE["services"])
    for name, wait in waits.items():
        assert wait["condition"] == ("service_completed_successfully" if name == _ONCE else "service_healthy")


def test_no_server_is_open_to_whoever_reaches_it():
    servers = {name: COMPOSE["services"][name] for name in _OTHERS}
    assert all("${WEFT_" in COMPOSE["configs"][name]["content"] for name in ("nats", "redis"))
    assert "${WEFT_" in servers["postgres"]["environment"]["POSTGRES_PASSWORD"]
    # A password in a command, or one that everybody knows.
    assert not any("WEFT_" in str(told.get("command")) for told in servers.values())
    assert re.findall(r"WEFT_\w+(?:PASSWORD|TOKEN):-[^}]+", yaml.safe_dump(COMPOSE)) == []


@pytest.mark.parametrize("service", ["gateway", "retrieval"])
def test_services_do_not_connect_to_postgresql_as_its_superuser(service: str):
    user = re.match(r"postgresql://(\w+):", _told(service)["postgres_url"])[1]
    assert user != COMPOSE["services"]["postgres"]["environment"]["POSTGRES_USER"]


@pytest.mark.parametrize("service", SERVICES)
def test_all_services_are_told_the_same_mesh(service: str):
    assert _filled_in(COMPOSE["services"][service]["environment"]["WEFT_MESH_ID"]) == "weft"


def test_everything_has_a_health_check():
    assert [name for name in _OTHERS if "healthcheck" not in COMPOSE["services"][name]] == []
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD .*weft_kit\.probe", DOCKERFILE, re.MULTILINE)


def test_the_image_does_not_run_as_root_and_installs_only_what_is_pinned():
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["weft"]
    installs = re.findall(r"pip install (.*?)(?:&&|\n\w|$)", DOCKERFILE, re.DOTALL)
    assert [install for install in installs if not {"--require-hashes", "--no-index"} & set(install.split())] == []


def test_the_image_is_built_from_no_more_than_it_needs():
    kept = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {"!README.md", "!pyproject.toml", "!libs", "!services", "!compose/weft_compose"}
    assert copied <= kept
    assert all(Path(ROOT, line.removeprefix("!").removesuffix("*.txt")).exists() for line in kept)
