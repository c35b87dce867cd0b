"""What calls cost and what may be spent, according to the catalog.

Money is counted in whole micros, millionths of the currency's unit, so a price per million tokens is the same number
of micros per token.
"""

from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import ceil
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from weft.common.v1 import budget_pb2, chat_pb2
from weft_kit.catalog.providers import Entry, known_providers

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Amount = Annotated[Decimal, Field(ge=0, le=1_000_000)]

ANY_MODEL = "*"


class TokenRates(Entry):
    """Prices per million tokens. Tokens counted separately cost as much as the others unless they have their own price.

    `hour_cache_write` is for tokens written to a cache that keeps them for an hour; by default it is `cache_write`.
    """

    input: Amount
    output: Amount
    cached_input: Amount | None = None
    cache_write: Amount | None = None
    hour_cache_write: Amount | None = None
    reasoning: Amount | None = None

    @property
    def is_nothing(self) -> bool:
        return not any(self._all)

    def cost_micros(self, usage: chat_pb2.Usage) -> int:
        """Returns the cost of a call's usage in micros, rounded up."""
        cached, written, reasoned = usage.cached_prompt_tokens, usage.cache_write_prompt_tokens, usage.reasoning_tokens
        for_an_hour = min(usage.hour_cache_write_prompt_tokens, written)
        plain_prompt = max(0, usage.prompt_tokens - cached - written)
        plain_output = max(0, usage.completion_tokens - reasoned)
        cache_write = _given(self.cache_write, self.input)
        return ceil(
            plain_prompt * self.input
            + cached * _given(self.cached_input, self.input)
            + (written - for_an_hour) * cache_write
            + for_an_hour * _given(self.hour_cache_write, cache_write)
            + plain_output * self.output
            + reasoned * _given(self.reasoning, self.output)
        )

    def most_micros(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Returns the most that this many tokens can cost in micros, however they are counted, rounded up."""
        dearest_input = max(self.input, self.cached_input or 0, self.cache_write or 0, self.hour_cache_write or 0)
        dearest_output = max(self.output, self.reasoning or 0)
        return ceil(prompt_tokens * dearest_input + completion_tokens * dearest_output)

    @property
    def _all(self) -> tuple[Decimal | None, ...]:
        return self.input, self.output, self.cached_input, self.cache_write, self.hour_cache_write, self.reasoning


class LongPromptRates(TokenRates):
    """Rates for all tokens, output included, of a call whose prompt has more than `prompt_tokens`."""

    prompt_tokens: PositiveInt


class Price(TokenRates):
    """The price of a model's tokens; `above` holds the rates for long prompts, if they differ."""

    above: tuple[LongPromptRates, ...] = ()

    @field_validator("above")
    @classmethod
    def _in_order(cls, above: tuple[LongPromptRates, ...]) -> tuple[LongPromptRates, ...]:
        if any(shorter.prompt_tokens >= longer.prompt_tokens for shorter, longer in pairwise(above)):
            raise PydanticCustomError("prices", "must be in the order of prompt_tokens, each more than the one before")
        return above

    @property
    def is_nothing(self) -> bool:
        return super().is_nothing and all(rates.is_nothing for rates in self.above)

    def cost_micros(self, usage: chat_pb2.Usage) -> int:
        """Returns the cost of a call's usage in micros, at the rates for its prompt's length, rounded up."""
        if rates := self._long_prompt_rates(usage.prompt_tokens):
            return rates.cost_micros(usage)
        return super().cost_micros(usage)

    def most_micros(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Returns the most that this many tokens can cost in micros, however they are counted, rounded up."""
        if rates := self._long_prompt_rates(prompt_tokens):
            return rates.most_micros(prompt_tokens, completion_tokens)
        return super().most_micros(prompt_tokens, completion_tokens)

    def _long_prompt_rates(self, prompt_tokens: int) -> LongPromptRates | None:
        return next((rates for rates in reversed(self.above) if prompt_tokens > rates.prompt_tokens), None)


def _known(provider: str, info: ValidationInfo) -> str:
    known = known_providers(info, provider)
    if provider not in known:
        raise PydanticCustomError("prices", "is not a provider; expected one of {known}", {"known": ", ".join(known)})
    return provider


_Provider = Annotated[str, AfterValidator(_known)]


class Prices(Entry):
    """A price list as of a date. `per_million` maps provider and model to a price; the model "*" stands for all models
    of a provider that are not named.
    """

    as_of: date
    currency: Currency = "USD"
    per_million: dict[_Provider, dict[str, Price]] = Field(default_factory=dict)

    def of(self, provider: str, model: str) -> Price | None:
        """Returns the price of a provider's model; None if the list has none, which is not the same as a price of 0."""
        models = self.per_million.get(provider, {})
        return models.get(model) or models.get(ANY_MODEL)


class Budget(Entry):
    """What may be spent: tokens in any minute, and money in a day, from midnight UTC. By default there is no limit."""

    tokens_per_minute: PositiveInt | None = None
    money_per_day: Annotated[Decimal, Field(gt=0, le=1_000_000_000)] | None = None

    @field_validator("money_per_day")
    @classmethod
    def _can_be_counted(cls, money: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if money is not None and not (info.context or {}).get("prices", True):
            raise PydanticCustomError("budget", "needs a price list, or nothing would ever be spent; add [prices]")
        return money

    def to_wire(self) -> budget_pb2.Budget:
        micros = int((self.money_per_day or 0) * 1_000_000)
        return budget_pb2.Budget(tokens_per_minute=self.tokens_per_minute or 0, micros_per_day=micros)


def _given(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price
