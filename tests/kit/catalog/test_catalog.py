"""The catalog is read whole, or refused with every mistake and its place."""

from pathlib import Path

import pytest

from weft_kit.catalog.catalog import (
    Catalog,
    CatalogError,
    Route,
    load_catalog,
)
from weft_kit.catalog.providers import (
    KINDS,
    AnthropicEntry,
    GeminiEntry,
    InferenceEntry,
    OpenAIEntry,
    OpenAIResponsesEntry,
)
from weft_kit.catalog.routing import Timeouts

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
    assert catalog.providers["local"] == InferenceEntry(kind="inference", target="127.0.0.1:7604")
    assert isinstance(catalog.providers["openai"], OpenAIEntry)
    assert str(catalog.providers["openai"].base_url) == "https://api.openai.com/v1"
    assert list(catalog.models) == ["default", "strong"]
    assert catalog.models["default"].routes[0] == Route(provider="local", model="")
    assert catalog.models["default"].timeouts == Timeouts(first_token_s=2)
    assert catalog.serving("openai") == ["gpt-4o-mini", "gpt-4o"]


def test_the_environment_replaces_defaults(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_URL="https://api.openai.com", ENGINE="engine:1234")

    assert catalog.providers["local"] == InferenceEntry(kind="inference", target="engine:1234")


def test_the_catalog_in_the_repository_is_good() -> None:
    catalog = load_catalog(Path(__file__).parents[3] / "compose" / "weft.toml", {})

    assert "default" in catalog.models


def test_the_worked_catalog_of_the_documentation_is_good(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "routing.md").read_text(encoding="utf-8")
    catalog = load(tmp_path, text.partition("```toml\n")[2].partition("```")[0])

    assert list(catalog.chain("chat")) == ["chat", "ours"]


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


def test_one_mistake_hides_no_other_in_its_table(tmp_path: Path) -> None:
    text = """
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
    places = [problem.partition(": ")[0] for problem in problems(tmp_path, text)]

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


CACHED = """
[providers.local]
kind = "inference"
target = "127.0.0.1:1"

[models.silent]
routes = [{ provider = "local" }]

[models.chosen]
routes = [{ provider = "local" }]
cache = "semantic"
last_resort = {}
"""


def test_an_alias_keeps_equal_questions_unless_it_says_otherwise(tmp_path: Path) -> None:
    catalog = load(tmp_path, CACHED)

    assert catalog.cache_setting("silent") == "exact"
    assert catalog.cache_setting("chosen") == "semantic"
    assert load(tmp_path, CACHED.replace('"semantic"\nlast_resort = {}', '"off"')).cache_setting("chosen") == "off"
    assert catalog.cache_setting("removed") == "off"


@pytest.mark.parametrize(
    ("written", "shown"), [('"on"', "'on'"), ('"SEMANTIC"', "'SEMANTIC'"), ("true", "True"), ("{}", "{}")]
)
def test_what_is_no_setting_of_the_cache_is_refused_with_those_there_are(
    tmp_path: Path, written: str, shown: str
) -> None:
    assert problems(tmp_path, CACHED.replace('"semantic"', written)) == [
        f"models.chosen.cache: input should be 'off', 'exact' or 'semantic'; found {shown}"
    ]


def test_an_alias_that_keeps_nothing_has_no_stored_answer_as_its_last_resort(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as refusal:
        load(tmp_path, CACHED.replace('"semantic"', '"off"'))

    assert str(refusal.value) == (
        f"{tmp_path / 'weft.toml'}:12: models.chosen.last_resort: "
        'serves stored answers, and cache = "off" keeps none; take out one of the two'
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


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{number} {body}", "{body} is not known"),
        ("{text}", "must hold {number} and {text}"),
        ("{number} {text!r}", "{text} is not known"),
        ("{number} {text", "expected '}' before end of string"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(tmp_path: Path, source: str, complaint: str) -> None:
    text = f"""
[providers.local]
kind = "inference"
target = "127.0.0.1:1"

[models.default]
routes = [{{ provider = "local" }}]
context = {{ source = "{source}" }}
"""

    (found,) = problems(tmp_path, text)

    assert found.startswith(f"models.default.context.source: {complaint}")
    assert "expected the text to be filled from {number}, {heading}, {text}, {uri}" in found


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


def test_each_kind_of_provider_has_settings_of_its_own(tmp_path: Path) -> None:
    text = """
[providers.azure]
kind = "openai"
base_url = "https://weft.openai.azure.com/openai/deployments/chat"
api_key_env = "AZURE_KEY"
api_version = "2024-10-21"
key_header = "api-key"
max_tokens_field = "max_completion_tokens"
headers = { x-ms-client = "weft" }

[providers.responses]
kind = "openai_responses"
extra_body = { reasoning = { effort = "low" } }

[providers.claude]
kind = "anthropic"
api_key_file = "/run/secrets/claude"
continues_prefix = true

[providers.gemini]
kind = "gemini"
takes_images = false
keep_warm_s = 0

[models.default]
routes = [
    { provider = "azure", model = "a" },
    { provider = "responses", model = "b" },
    { provider = "claude", model = "c" },
    { provider = "gemini", model = "d" },
]
"""
    providers = load(tmp_path, text).providers

    azure, responses, claude, gemini = providers.values()
    assert isinstance(azure, OpenAIEntry)
    assert azure.headers == {"x-ms-client": "weft"}
    assert isinstance(responses, OpenAIResponsesEntry)
    assert (str(responses.base_url), responses.extra_body) == (
        "https://api.openai.com/v1",
        {"reasoning": {"effort": "low"}},
    )
    assert isinstance(claude, AnthropicEntry)
    assert (str(claude.base_url), claude.version) == ("https://api.anthropic.com/v1", "2023-06-01")
    assert isinstance(gemini, GeminiEntry)
    assert (gemini.takes_images, gemini.keep_warm_s) == (False, 0)


def test_an_answer_with_no_room_beside_its_thinking_may_take_both(tmp_path: Path) -> None:
    text = """
[providers.claude]
kind = "anthropic"
extra_body = { thinking = { type = "enabled", budget_tokens = 2000 } }
[providers.gemini]
kind = "gemini"
extra_body = { generationConfig = { thinkingConfig = { thinkingBudget = -1 } } }
[providers.odd]
kind = "anthropic"
extra_body = { thinking = "much" }
[models.default]
routes = [{ provider = "claude", model = "c" }]
"""
    claude, gemini, odd = load(tmp_path, text).providers.values()

    assert [claude.most_tokens(asked) for asked in (500, 2000, 2001)] == [2500, 4000, 2001]
    assert (gemini.most_tokens(500), odd.most_tokens(500)) == (500, 500)


def test_mistakes_of_every_kind_are_named_with_what_was_expected(tmp_path: Path) -> None:
    text = """
[providers.claude]
kind = "anthropic"
version = 5
keep_warm_s = -1

[providers.gemini]
kind = "gemini"
base_url = "googleapis.com"
api_version = "v1"

[providers.azure]
kind = "openai"
key_header = "x-key"

[providers.keyed]
kind = "openai_responses"
headers = { Authorization = "Bearer sk-123" }

[models.default]
routes = [{ provider = "claude" }, { provider = "gemini", model = "m" }]
"""
    assert problems(tmp_path, text) == [
        "providers.claude.keep_warm_s: input should be greater than or equal to 0; found -1",
        "providers.claude.version: input should be a valid string; found 5",
        "providers.gemini.base_url: input should be a valid URL, relative URL without a base; found 'googleapis.com'",
        "providers.gemini.api_version: is not a setting here",
        "providers.azure.base_url: is required",
        "providers.azure.key_header: input should be 'authorization' or 'api-key'; found 'x-key'",
        "providers.keyed: a key does not belong here; name it by api_key_env or api_key_file",
        "models.default.routes[0].model: is required with a provider of kind anthropic",
    ]


def test_one_source_of_a_key_is_enough(tmp_path: Path) -> None:
    text = GOOD.replace("api_key_env", 'api_key_file = "/run/secrets/openai"\napi_key_env')

    assert problems(tmp_path, text, OPENAI_URL="https://api.openai.com") == [
        "providers.openai: has api_key_env and api_key_file; keep one"
    ]


def test_an_empty_file_lacks_both_tables(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["providers: is required", "models: is required"]


ROUTED = """
[providers.local]
kind = "inference"
target = "127.0.0.1:7604"
region = "eu"
max_concurrency = 8

[models.main]
routes = [{ provider = "local", weight = 2 }]
selection = "weighted"
fallbacks = ["spare"]
hedge = { after_s = 0.3 }
escalate = { to = "strong", refusals = ["^I cannot"] }

[models.spare]
routes = [{ provider = "local" }]
fallbacks = ["last"]

[models.strong]
routes = [{ provider = "local" }]

[models.last]
routes = [{ provider = "local" }]
"""


def test_a_chain_of_fallbacks_is_followed_in_order(tmp_path: Path) -> None:
    catalog = load(tmp_path, ROUTED)

    assert list(catalog.chain("main")) == ["main", "spare", "last"]
    assert list(catalog.chain("strong")) == ["strong"]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            'fallbacks = ["last"]',
            'fallbacks = ["lost"]',
            'models.spare.fallbacks[0]: "lost" is not a model alias; expected one of main, spare, strong, last',
        ),
        (
            'fallbacks = ["last"]',
            'fallbacks = ["main"]',
            "models.spare.fallbacks[0]: leads in a circle (spare → main → spare); take one step out",
        ),
        (
            'to = "strong"',
            'to = "main"',
            "models.main.escalate.to: leads in a circle (main → main); take one step out",
        ),
        (
            '"^I cannot"',
            '"^I (cannot"',
            (
                "models.main.escalate.refusals[0]: is not a regular expression: missing ), unterminated subpattern at"
                " position 3; found '^I (cannot'"
            ),
        ),
        (
            '"weighted"',
            '"quickest"',
            "models.main.selection: input should be 'priority', 'fastest', 'cheapest' or 'weighted'; found 'quickest'",
        ),
        (
            "after_s = 0.3",
            "after_s = 0",
            "models.main.hedge.after_s: input should be greater than 0; found 0",
        ),
        (
            "max_concurrency = 8",
            "max_concurrency = 0",
            "providers.local.max_concurrency: input should be greater than 0; found 0",
        ),
        (
            "[models.main]",
            "[breaker]\nminimum_calls = 30\n[models.main]",
            "breaker: minimum_calls (30) must be at most window_calls (20)",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_named_exactly(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert problem in problems(tmp_path, ROUTED.replace(before, after))


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
