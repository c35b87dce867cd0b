"""Prices and budgets are read exactly, and mistakes in them are named."""

from decimal import Decimal
from pathlib import Path

import pytest
from tests.kit.catalog import catalog_file

from weft.common.v1 import budget_pb2, chat_pb2
from weft_kit.catalog.catalog import Catalog
from weft_kit.catalog.prices import Price
from weft_kit.spending import SpendingAccount, Spent, frees_after_s

PROVIDERS = """
[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"

[models.default]
routes = [{ provider = "openai", model = "small" }, { provider = "openai", model = "large" }]
"""

PRICES = """
[prices]
as_of = 2026-09-30
currency = "EUR"

[prices.per_million.openai]
small = { input = 0.15, cached_input = 0.075, output = 0.60 }
"*" = { input = 3, output = 15, reasoning = 20, cache_write = 3.75 }
"""

SMALL = "per_million.openai.small"
LONG_PROMPTS = f"[prices]\nas_of = 2026-09-30\n{SMALL}.input = 1\n{SMALL}.output = 1\n{SMALL}.above"
LONG = "{ prompt_tokens = 9, input = 1, output = 1 }"


def load(tmp_path: Path, text: str) -> Catalog:
    return catalog_file.load(tmp_path, PROVIDERS + text)


def problems(tmp_path: Path, text: str) -> list[str]:
    return catalog_file.problems(tmp_path, PROVIDERS + text)


def test_a_models_own_price_comes_before_its_providers(tmp_path: Path) -> None:
    prices = load(tmp_path, PRICES).prices
    assert prices is not None
    assert (prices.as_of.isoformat(), prices.currency) == ("2026-09-30", "EUR")
    assert prices.of("openai", "small") == Price(input="0.15", cached_input="0.075", output="0.60")
    large = prices.of("openai", "large")
    assert large is not None
    assert large.input == 3
    assert prices.of("local", "small") is None


def test_without_a_price_list_nothing_has_a_price(tmp_path: Path) -> None:
    assert load(tmp_path, "").prices is None


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (chat_pb2.Usage(), 0),
        (chat_pb2.Usage(prompt_tokens=100, completion_tokens=10), 450),
        (chat_pb2.Usage(prompt_tokens=100, cached_prompt_tokens=40, cache_write_prompt_tokens=20), 315),
        (chat_pb2.Usage(completion_tokens=10, reasoning_tokens=8), 190),
        (chat_pb2.Usage(prompt_tokens=10, cached_prompt_tokens=11), 33),
    ],
)
def test_tokens_cost_what_their_kind_does(usage: chat_pb2.Usage, micros: int) -> None:
    price = Price(input=Decimal(3), output=Decimal(15), reasoning=Decimal(20), cache_write=Decimal("3.75"))
    assert price.cost_micros(usage) == micros


def test_tokens_kept_for_an_hour_have_a_price_of_their_own() -> None:
    """Anthropic, "Prompt caching": five minutes cost 1.25 times the input's price, an hour 2 times."""
    usage = chat_pb2.Usage(prompt_tokens=100, cache_write_prompt_tokens=60, hour_cache_write_prompt_tokens=40)
    price = Price(input=Decimal(4), output=Decimal(0), cache_write=Decimal(5), hour_cache_write=Decimal(8))
    assert price.cost_micros(usage) == 40 * 4 + 20 * 5 + 40 * 8
    assert price.most_micros(100, 0) == 800
    without = Price(input=Decimal(4), output=Decimal(0), cache_write=Decimal(5))
    assert without.cost_micros(usage) == 40 * 4 + 60 * 5


@pytest.mark.parametrize(
    ("prompt_tokens", "micros"), [(200, 200 + 10 * 10), (201, 2 * 201 + 10 * 15), (501, 3 * 501 + 10 * 20)]
)
def test_all_tokens_of_a_long_prompts_call_cost_more(prompt_tokens: int, micros: int) -> None:
    """Gemini API, "Pricing" (prompts > 200k tokens); Anthropic, "Long context pricing": all of such a request."""
    above = (
        {"prompt_tokens": 200, "input": 2, "output": 15, "cached_input": 1},
        {"prompt_tokens": 500, "input": 3, "output": 20},
    )
    price = Price.model_validate({"input": 1, "output": 10, "above": above})
    assert price.cost_micros(chat_pb2.Usage(prompt_tokens=prompt_tokens, completion_tokens=10)) == micros
    assert price.most_micros(prompt_tokens, 10) == micros


def test_a_long_prompts_cached_tokens_count_to_its_length_at_their_own_rate() -> None:
    above = ({"prompt_tokens": 200, "input": 2, "output": 15, "cached_input": "0.5"},)
    price = Price.model_validate({"input": 1, "output": 10, "cached_input": "0.1", "above": above})
    usage = chat_pb2.Usage(prompt_tokens=210, cached_prompt_tokens=200)
    assert price.cost_micros(usage) == 10 * 2 + 100


def test_what_is_free_only_for_short_prompts_is_not_free() -> None:
    price = Price.model_validate({"input": 0, "output": 0, "above": [{"prompt_tokens": 9, "input": 1, "output": 0}]})
    assert not price.is_nothing


def test_costs_are_exact_and_rounded_up() -> None:
    price = Price(input=Decimal("0.15"), output=Decimal("0.60"))
    assert price.cost_micros(chat_pb2.Usage(prompt_tokens=20)) == 3
    assert price.cost_micros(chat_pb2.Usage(prompt_tokens=21)) == 4


def test_the_most_a_call_can_cost_is_at_the_dearest_prices() -> None:
    price = Price(input=Decimal(3), output=Decimal(15), reasoning=Decimal(20), cache_write=Decimal("3.75"))
    assert price.most_micros(100, 10) == 575


def test_a_tenant_has_its_own_budget_or_the_default_one(tmp_path: Path) -> None:
    text = f"{PRICES}[default_budget]\ntokens_per_minute = 9\n[budgets.acme]\nmoney_per_day = 0.5\n"
    catalog = load(tmp_path, text)
    assert catalog.budget("acme").to_wire() == budget_pb2.Budget(micros_per_day=500_000)
    assert catalog.budget("other").to_wire() == budget_pb2.Budget(tokens_per_minute=9)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[prices]\n", "prices.as_of: is required"),
        (
            "[prices]\nas_of = 2026-09-30\n[prices.per_million.opnai]\n",
            "prices.per_million.opnai: is not a provider; expected one of openai",
        ),
        (
            "[prices]\nas_of = 2026-09-30\nper_million.openai.small = { input = -1, output = 1 }\n",
            "prices.per_million.openai.small.input: input should be greater than or equal to 0; found -1",
        ),
        (
            f"{LONG_PROMPTS} = [{LONG}, {LONG}]\n",
            f"prices.{SMALL}.above: must be in the order of prompt_tokens, each more than the one before",
        ),
        (
            f"{LONG_PROMPTS} = {LONG}\n",
            f"prices.{SMALL}.above: input should be a list; found {{'prompt_tokens': 9, 'input': 1, 'output': 1}}",
        ),
        (f"{LONG_PROMPTS} = [9]\n", f"prices.{SMALL}.above[0]: input should be a table; found 9"),
        (
            f"{LONG_PROMPTS} = [{{ input = 1, output = 1 }}]\n",
            "prices.per_million.openai.small.above[0].prompt_tokens: is required",
        ),
        (
            "[default_budget]\nmoney_per_day = 5\n",
            "default_budget.money_per_day: needs a price list, or nothing would ever be spent; add [prices]",
        ),
        ("[budgets.acme]\ntokens = 5\n", "budgets.acme.tokens: is not a setting here"),
        (
            "[budgets.acme]\ntokens_per_minute = 0\n",
            "budgets.acme.tokens_per_minute: input should be greater than 0; found 0",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_tokens_leave_the_window_second_by_second() -> None:
    seconds = {100: 10, 130: 20, 161: 30}
    assert Spent(161, seconds, 0, 0).tokens_last_minute == 50
    assert Spent(160, seconds, 0, 0).tokens_last_minute == 60
    assert [frees_after_s(seconds, 160, tokens) for tokens in (1, 10, 11, 31)] == [1, 1, 31, 62]


def test_no_two_accounts_share_a_name() -> None:
    accounts = (SpendingAccount("acme"), SpendingAccount("acme", "k"), SpendingAccount("acme-k"))
    assert len({account.tokens for account in accounts}) == len(accounts)
