"""A good catalog is read whole and in order, and what it leaves out has its default."""

from pathlib import Path

import pytest
from tests.kit.catalog.catalog_file import CACHED, GOOD, ROUTED, load

from weft_kit.catalog.catalog import Route, load_catalog
from weft_kit.catalog.providers import AnthropicEntry, GeminiEntry, InferenceEntry, OpenAIEntry, OpenAIResponsesEntry
from weft_kit.catalog.routing import Timeouts


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


def test_an_alias_keeps_equal_questions_unless_it_says_otherwise(tmp_path: Path) -> None:
    catalog = load(tmp_path, CACHED)

    assert catalog.cache_setting("silent") == "exact"
    assert catalog.cache_setting("chosen") == "semantic"
    assert load(tmp_path, CACHED.replace('"semantic"\nlast_resort = {}', '"off"')).cache_setting("chosen") == "off"
    assert catalog.cache_setting("removed") == "off"


EVERY_KIND = """
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


def test_each_kind_of_provider_has_settings_of_its_own(tmp_path: Path) -> None:
    providers = load(tmp_path, EVERY_KIND).providers

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


def test_a_chain_of_fallbacks_is_followed_in_order(tmp_path: Path) -> None:
    catalog = load(tmp_path, ROUTED)

    assert list(catalog.chain("main")) == ["main", "spare", "last"]
    assert list(catalog.chain("strong")) == ["strong"]


def test_a_catalog_cannot_be_changed(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_URL="https://api.openai.com")

    with pytest.raises(ValueError, match="frozen"):
        catalog.models["default"].max_output_tokens = 5
