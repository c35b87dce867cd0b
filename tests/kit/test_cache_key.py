"""Which cache tiers may serve a request: by what it says, by what its model alias says, and where both are silent."""

import pytest

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_kit.cache_key import CacheSetting, cache_mode, cacheable

OFF, EXACT, SEMANTIC = job_pb2.CACHE_MODE_OFF, job_pb2.CACHE_MODE_EXACT, job_pb2.CACHE_MODE_SEMANTIC
SILENT = job_pb2.CACHE_MODE_UNSPECIFIED
UNKNOWN = 99
Mode = job_pb2.CacheMode.ValueType
SETTINGS: tuple[CacheSetting, ...] = ("off", "exact", "semantic")


def asked(
    mode: int = SILENT, temperature: float | None = 0.0, tools: tuple[str, ...] = ()
) -> job_pb2.GenerationRequest:
    return job_pb2.GenerationRequest(
        sampling=chat_pb2.SamplingParams(temperature=temperature),
        tools=[chat_pb2.Tool(name=name) for name in tools],
        cache=job_pb2.CachePolicy(mode=mode),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("mode", [SILENT, UNKNOWN])
@pytest.mark.parametrize(("setting", "expected"), [("off", OFF), ("exact", EXACT), ("semantic", SEMANTIC)])
def test_the_alias_decides_for_greedy_requests_that_say_nothing(
    mode: int, setting: CacheSetting, expected: Mode
) -> None:
    assert cache_mode(asked(mode), setting) == expected


@pytest.mark.parametrize("mode", [SILENT, UNKNOWN])
def test_only_equal_questions_are_served_where_nobody_says_anything(mode: int) -> None:
    assert cache_mode(asked(mode)) == EXACT


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "request_", [asked(temperature=0.1), asked(temperature=None), asked(tools=("f",)), asked(UNKNOWN, temperature=1)]
)
def test_nothing_serves_a_request_that_says_nothing_and_may_be_answered_anew(
    request_: job_pb2.GenerationRequest, setting: CacheSetting
) -> None:
    assert cache_mode(request_, setting) == OFF


@pytest.mark.parametrize("setting", ["exact", "semantic"])
@pytest.mark.parametrize("mode", [OFF, EXACT, SEMANTIC])
@pytest.mark.parametrize("rest", [{}, {"temperature": 1.0, "tools": ("f",)}])
def test_what_the_request_says_wins_over_a_default(mode: Mode, setting: CacheSetting, rest: dict[str, object]) -> None:
    assert cache_mode(asked(mode, **rest), setting) == mode  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", [SILENT, UNKNOWN, OFF, EXACT, SEMANTIC])
def test_no_request_turns_on_what_its_alias_turned_off(mode: int) -> None:
    assert cache_mode(asked(mode), "off") == OFF
    assert not cacheable(asked(mode), "off")


def test_a_request_is_cacheable_where_any_tier_may_serve_it() -> None:
    assert [cacheable(asked(mode)) for mode in (SILENT, OFF, EXACT, SEMANTIC)] == [True, False, True, True]
