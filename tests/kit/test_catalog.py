"""The catalog is read whole, or refused with every mistake and its place."""

from pathlib import Path

import pytest

from weft_kit.catalog import Catalog, CatalogError, InferenceProvider, OpenAIProvider, Route, Timeouts, load_catalog

GOOD = """
[providers.local]
kind = "inference"
target = "${ENGINE:-127.0.0.1:7604}"

[providers.openai]
kind = "openai"
base_url = "${OPENAI_URL}/v1"
api_key_env = "OPENAI_API_KEY"

[models.default]
routes = [{ provider = "local" }, { provider = "openai", model = "gpt-4o-mini" }]
timeouts = { first_token_s = 2 }

[models.strong]
routes = [{ provider = "openai", model = "gpt-4o" }]
"""


def load(tmp_path: Path, text: str, **environ: str) -> Catalog:
    path = tmp_path / "weft.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path, environ)


def problems(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(CatalogError) as refusal:
        load(tmp_path, text, **environ)
    return list(refusal.value.problems)


def test_a_good_file_is_read_whole_and_in_order(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_URL="https://api.openai.com")

    assert list(catalog.providers) == ["local", "openai"]
    assert catalog.providers["local"] == InferenceProvider(kind="inference", target="127.0.0.1:7604")
    assert isinstance(catalog.providers["openai"], OpenAIProvider)
    assert str(catalog.providers["openai"].base_url) == "https://api.openai.com/v1"
    assert list(catalog.models) == ["default", "strong"]
    assert catalog.models["default"].routes[0] == Route(provider="local", model="")
    assert catalog.models["default"].timeouts == Timeouts(first_token_s=2)
    assert catalog.serving("openai") == ["gpt-4o-mini", "gpt-4o"]


def test_the_environment_replaces_defaults(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_URL="https://api.openai.com", ENGINE="engine:1234")

    assert catalog.providers["local"] == InferenceProvider(kind="inference", target="engine:1234")


def test_the_catalog_in_the_repository_is_good() -> None:
    catalog = load_catalog(Path(__file__).parents[2] / "compose" / "weft.toml", {})

    assert "default" in catalog.models


def test_every_mistake_is_named_at_once_with_its_place(tmp_path: Path) -> None:
    text = """
[providers.local]
kind = "inference"
target = "127.0.0.1"

[providers.odd]
kind = "smoke-signals"

[providers.keyed]
kind = "openai"
base_url = "http://localhost/v1"
api_key = "sk-123"

[models.default]
routes = [{ provider = "lokal" }, { provider = "keyed" }]
temperature = 0

[models.small]
routes = [{ provider = "local" }]
context_tokens = 100
max_output_tokens = 100

[models."no spaces"]
routes = []
"""

    found = problems(tmp_path, text)

    assert found[:3] == [
        "providers.local.target: string should match pattern '^\\S+:\\d{1,5}$'; found '127.0.0.1'",
        'providers.odd.kind: "smoke-signals" is not a kind; expected one of inference, openai',
        "providers.keyed: a key does not belong here; name it by api_key_env or api_key_file",
    ]
    assert {
        'models.default.routes[0].provider: "lokal" is not a provider; expected one of local, odd, keyed',
        "models.default.routes[1].model: is required with a provider of kind openai",
        "models.default.temperature: is not a setting here",
        "models.small: max_output_tokens (100) must be less than context_tokens (100)",
    } <= set(found)
    assert sum(problem.startswith("models.no spaces") for problem in found) == 2


def test_a_problem_names_the_file_but_never_shows_a_secret(tmp_path: Path) -> None:
    text = GOOD.replace('api_key_env = "OPENAI_API_KEY"', 'api_key = "sk-123"')

    with pytest.raises(CatalogError) as refusal:
        load(tmp_path, text, OPENAI_URL="https://api.openai.com")

    assert str(refusal.value).startswith(f"{tmp_path / 'weft.toml'}: providers.openai: ")
    assert "sk-123" not in str(refusal.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    assert "providers.openai.base_url: OPENAI_URL is not set; set it or write ${OPENAI_URL:-a default}" in problems(
        tmp_path, GOOD
    )


def test_one_source_of_a_key_is_enough(tmp_path: Path) -> None:
    text = GOOD.replace("api_key_env", 'api_key_file = "/run/secrets/openai"\napi_key_env')

    assert problems(tmp_path, text, OPENAI_URL="https://api.openai.com") == [
        "providers.openai: has api_key_env and api_key_file; keep one"
    ]


def test_an_empty_file_lacks_both_tables(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["providers: is required", "models: is required"]


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "[models\n")

    assert problem.startswith("is not TOML: ")
    assert "line 1" in problem


def test_a_missing_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "nowhere.toml", {})


def test_a_catalog_cannot_be_changed(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_URL="https://api.openai.com")

    with pytest.raises(ValueError, match="frozen"):
        catalog.models["default"].max_output_tokens = 5
