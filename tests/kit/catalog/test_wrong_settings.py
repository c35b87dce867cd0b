"""A wrong value of a setting is refused with what is expected there."""

from pathlib import Path

import pytest
from tests.kit.catalog.catalog_file import CACHED, GOOD, ROUTED, load, problems

from weft_kit.catalog.catalog import CatalogError


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


FAULTY_KINDS = """
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


def test_mistakes_of_every_kind_are_named_with_what_was_expected(tmp_path: Path) -> None:
    assert problems(tmp_path, FAULTY_KINDS) == [
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
