"""How calls are routed: what a model alias of the catalog says about retries, races, fallbacks and the cache."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from weft_kit.cache_key import CacheSetting
from weft_kit.catalog.providers import Entry, Region

Selection = Literal["priority", "fastest", "cheapest", "weighted"]
Share = Annotated[float, Field(ge=0, le=1)]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError("pattern", "is not a regular expression: {why}", {"why": str(error)}) from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]


class Timeouts(Entry):
    """Seconds a provider may take before another try: to the first token, between two tokens, and in all."""

    first_token_s: PositiveFloat = 10.0
    between_tokens_s: PositiveFloat = 10.0
    total_s: PositiveFloat = 30.0


class Throughput(Entry):
    """The lowest rate a stream may have over any `over_s` seconds; a slower one is given up."""

    tokens_per_s: PositiveFloat
    over_s: PositiveFloat = 5.0


class Extra(Entry):
    """How many retries may be made in any `over_s` seconds: `share` of the first calls, or `floor` if that is more.

    Each replica counts its own.
    """

    share: Share = 0.1
    floor: NonNegativeInt = 20
    over_s: PositiveFloat = 10.0


class Hedge(Entry):
    """Asks a second provider when the first token is late: after `after_s`, by default the recent p95.

    At most `share` of the calls of the last minute are made twice, or `floor` if that is more.
    """

    after_s: PositiveFloat | None = None
    share: Share = 0.05
    floor: NonNegativeInt = 1


class Escalation(Entry):
    """When an answer is not good enough, so that the alias `to` answers instead.

    `shorter_than` is in characters. `refusals` are regular expressions, searched for in the first 400 characters,
    ignoring case. `off_schema` means an answer that is not in the format that the request asks for.
    """

    to: str
    shorter_than: NonNegativeInt = 0
    refusals: tuple[Pattern, ...] = ()
    off_schema: bool = True


class LastResort(Entry):
    """What may be served when every provider failed: a stored answer, even one that is out of date.

    An answer is out of date if the request asks for a fresher one, or its collection has changed since. It may be
    `stale_within_s` seconds old; 0 serves none.
    """

    cached: bool = True
    stale_within_s: NonNegativeInt = 0


class Breaking(Entry):
    """When no calls are sent to a provider's model.

    The breaker opens if, of the last `window_calls` calls that ended in the last `window_s` seconds, at least
    `minimum_calls` of them, a share of `failure_share` failed, or `slow_share` had no first token within `slow_s`. It
    stays open for `open_s`, doubling up to `longest_open_s` while the model goes on failing; then `probes` calls at a
    time may try, and as many must succeed to close it.
    """

    failure_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    slow_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    slow_s: PositiveFloat | None = None
    minimum_calls: PositiveInt = 5
    window_calls: PositiveInt = Field(default=20, validate_default=True)
    window_s: PositiveFloat = 60.0
    open_s: PositiveFloat = 1.0
    longest_open_s: PositiveFloat = 4.0
    probes: PositiveInt = 1

    @field_validator("window_calls")
    @classmethod
    def _can_ever_open(cls, window_calls: int, info: ValidationInfo) -> int:
        minimum = info.data.get("minimum_calls", 0)
        if minimum > window_calls:
            raise PydanticCustomError(
                "too_few",
                "minimum_calls ({minimum}) must be at most window_calls ({window})",
                {"minimum": minimum, "window": window_calls},
            )
        return window_calls


class Policy(Entry):
    """How an alias is routed. What is not set is off, or has the default given here.

    `fallbacks` are aliases that take over when none of the alias's own routes can answer. `first_of` providers are
    asked at the same time, and the first token wins. `draft` is an alias that answers meanwhile, if a request wants a
    draft. `invalid_answers` is the number of answers in the wrong format after which a job fails; until then it is
    retried. `single_flight` lets identical requests that run at the same time share a call, if their cache policy
    allows an equal answer. `cache` is the cache mode of greedy requests without tools that name none; "off" stores and
    serves nothing, whatever a request asks for.
    """

    selection: Selection = "priority"
    prefer_region: Region | None = None
    timeouts: Timeouts = Timeouts()
    throughput: Throughput | None = None
    retries: Extra = Extra()
    hedge: Hedge | None = None
    first_of: Annotated[int, Field(ge=1, le=8)] = 1
    invalid_answers: PositiveInt = 2
    single_flight: bool = True
    cache: CacheSetting = "exact"
    fallbacks: tuple[str, ...] = ()
    draft: str | None = None
    escalate: Escalation | None = None
    last_resort: LastResort | None = None

    @field_validator("last_resort")
    @classmethod
    def _has_something_to_serve(cls, last_resort: LastResort | None, info: ValidationInfo) -> LastResort | None:
        if last_resort and info.data.get("cache") == "off":
            raise PydanticCustomError(
                "nothing_stored",
                'serves stored answers, and cache = "off" keeps none; take out one of the two',
            )
        return last_resort
