"""A catalog with mistakes is refused with all of them, each with its place and what was expected."""

from pathlib import Path

import pytest
from tests.kit.catalog.catalog_file import GOOD, ROUTED, load, problems

from weft_kit.catalog.catalog import CatalogError, load_catalog
from weft_kit.catalog.providers import KINDS

FAULTY_FILE = """
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


def test_every_mistake_is_named_at_once_with_its_place(tmp_path: Path) -> None:
    found = problems(tmp_path, FAULTY_FILE)

    assert found[:3] == [
        "providers.local.target: string should match pattern '^\\S+:\\d{1,5}$'; found '127.0.0.1'",
        f'providers.odd.kind: "smoke-signals" is not a kind; expected one of {", ".join(KINDS)}',
        "providers.keyed: a key does not belong here; name it by api_key_env or api_key_file",
    ]
    assert {
        'models.default.routes[0].provider: "lokal" is not a provider; expected one of local, odd, keyed',
        "models.default.routes[1].model: is required with a provider of kind openai",
        "models.default.temperature: is not a setting here",
        "models.small: max_output_tokens (100) must be less than context_tokens (100)",
    } <= set(found)
    assert sum(problem.startswith("models.no spaces") for problem in found) == 2


def test_a_shape_is_called_as_toml_calls_it(tmp_path: Path) -> None:
    text = "prices = 1\nbudgets = 2\n[providers]\nlocal = 3\n[models.default]\nroutes = {}\ntimeouts = 4\n"

    assert sorted(problems(tmp_path, text)) == [
        "budgets: input should be a table; found 2",
        "models.default.routes: input should be a list; found {}",
        "models.default.timeouts: input should be a table; found 4",
        "prices: input should be a table; found 1",
        "providers.local: input should be a table; found 3",
    ]


def test_a_reference_that_leads_nowhere_is_named_beside_other_mistakes(tmp_path: Path) -> None:
    text = ROUTED.replace('fallbacks = ["last"]', 'fallbacks = ["lost", 5]').replace("weight = 2", "weight = -2")

    assert problems(tmp_path, text) == [
        "models.main.routes[0].weight: input should be greater than 0; found -2",
        "models.spare.fallbacks[1]: input should be a valid string; found 5",
        'models.spare.fallbacks[0]: "lost" is not a model alias; expected one of main, spare, strong, last',
    ]


FAULTY_TABLES = """
[providers.keyed]
kind = "openai"
base_url = "nowhere"
api_key = "sk-123"
headers = { Authorization = "Bearer sk-123" }
keep_warm_s = -1

[models.default]
routes = [{ provider = "lokal", weight = 0 }, { provider = "keyed", weight = 0 }]
context_tokens = 100
max_output_tokens = 100
temperature = 0

[breaker]
open_s = 0
minimum_calls = 30

[prices]
currency = "dollars"
[prices.per_million.lokal]
m = { input = -1, output = 1 }

[default_budget]
tokens_per_minute = 0
money_per_day = -1
"""


def test_one_mistake_hides_no_other_in_its_table(tmp_path: Path) -> None:
    places = [problem.partition(": ")[0] for problem in problems(tmp_path, FAULTY_TABLES)]

    assert sorted(places) == sorted(
        [
            "providers.keyed.base_url",
            "providers.keyed",
            "providers.keyed",
            "providers.keyed.keep_warm_s",
            "models.default.routes[0].provider",
            "models.default.routes[0].weight",
            "models.default.routes[1].model",
            "models.default.routes[1].weight",
            "models.default",
            "models.default.temperature",
            "breaker.open_s",
            "breaker",
            "prices.as_of",
            "prices.currency",
            "prices.per_million.lokal",
            "prices.per_million.lokal.m.input",
            "default_budget.tokens_per_minute",
            "default_budget.money_per_day",
        ]
    )


def test_a_missing_variable_is_named_without_what_follows_from_it(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == [
        "providers.openai.base_url: OPENAI_URL is not set; set it or write ${OPENAI_URL:-a default}"
    ]


def test_the_mistakes_are_told_in_the_order_of_the_file_with_their_lines(tmp_path: Path) -> None:
    text = ROUTED.replace('region = "eu"', "region = 5").replace('fallbacks = ["spare"]', 'fallbacks = ["lost"]')

    with pytest.raises(CatalogError) as refusal:
        load(tmp_path, text.replace("weight = 2", "weight = -2"))

    places = [problem.removeprefix(f"{tmp_path / 'weft.toml'}:") for problem in refusal.value.located]
    assert [place.partition(": ")[0] for place in places] == ["5", "9", "11"]


def test_a_problem_names_the_file_but_never_shows_a_secret(tmp_path: Path) -> None:
    text = GOOD.replace('api_key_env = "OPENAI_API_KEY"', 'api_key = "sk-123"')

    with pytest.raises(CatalogError) as refusal:
        load(tmp_path, text, OPENAI_URL="https://api.openai.com")

    assert str(refusal.value).startswith(f"{tmp_path / 'weft.toml'}:6: providers.openai: ")
    assert "sk-123" not in str(refusal.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    assert "providers.openai.base_url: OPENAI_URL is not set; set it or write ${OPENAI_URL:-a default}" in problems(
        tmp_path, GOOD
    )


def test_an_empty_file_lacks_both_tables(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["providers: is required", "models: is required"]


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "[models\n")

    assert problem.startswith("is not TOML: ")
    assert "line 1" in problem


def test_a_missing_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "nowhere.toml", {})
