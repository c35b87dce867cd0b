"""How calls may be routed: what a model alias of the catalog says of retries, races, fallbacks and the cache."""

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
    """How long a provider may take, in seconds, before another try: to the first token, between two, and in all."""

    first_token_s: PositiveFloat = 10.0
    between_tokens_s: PositiveFloat = 10.0
    total_s: PositiveFloat = 30.0


class Throughput(Entry):
    """The fewest tokens a second that a stream must keep up over any `over_s`; one that trickles is given up."""

    tokens_per_s: PositiveFloat
    over_s: PositiveFloat = 5.0


class Extra(Entry):
    """Calls that may be made beside the first ones: a share of them, and at least `floor`, in any `over_s` seconds.

    It is counted by each replica for itself.
    """

    share: Share = 0.1
    floor: NonNegativeInt = 20
    over_s: PositiveFloat = 10.0


class Hedge(Entry):
    """A second provider is asked when the first token is late: after `after_s`, or after the p95 of late.

    At most `share` of the calls of the last minute are made twice, and `floor` in any case.
    """

    after_s: PositiveFloat | None = None
    share: Share = 0.05
    floor: NonNegativeInt = 1


class Escalation(Entry):
    """When an answer is not good enough, so that the alias `to` answers in its place.

    `shorter_than` counts characters. `refusals` are regular expressions, looked for in the first 400 characters,
    whatever their case. `off_schema` is an answer off the form that the request asks for.
    """

    to: str
    shorter_than: NonNegativeInt = 0
    refusals: tuple[Pattern, ...] = ()
    off_schema: bool = True


class LastResort(Entry):
    """What may be served when every provider failed: a stored answer, and one up to `stale_within_s` old.

    The second is for requests that ask for a fresher one than there is, or whose collection has changed since. 0 serves
    none that is too old.
    """

    cached: bool = True
    stale_within_s: NonNegativeInt = 0


class Breaking(Entry):
    """When calls are kept away from a provider's model.

    Of the last `window_calls` calls, as far as they ended in the last `window_s` seconds and are `minimum_calls` or
    more, `failure_share` failed or `slow_share` had no first token within `slow_s`. It is left alone for `open_s`,
    twice as long each time it fails again; then `probes` calls at a time may try, and as many must succeed.
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
    """How an alias is routed. What is not set is off, or has the default that stands here.

    `fallbacks` are aliases that take over when none of the alias's own routes can. `first_of` providers are asked at
    once, and the first token wins. `draft` is an alias that answers meanwhile, where a request wants a draft.
    `invalid_answers` is how many answers off the form that its request asks for fail a job; before, it is tried again.
    `single_flight` lets identical requests that are under way at one time share a call, where their cache policy lets
    an equal answer serve. `cache` is the furthest tier that serves greedy requests without tools which name none; "off"
    keeps and serves nothing, whatever a request asks for.
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
