"""Which route is taken, and what the record says of it."""

from collections.abc import Collection
from typing import Any

import pytest

from weft_kit.catalog.catalog import Route
from weft_router.fleet.peak_ewma import PeakEwma
from weft_router.routing.selection import Choice, RouteCandidate, choose


def candidate(name: str, weight: float = 1, **known: Any) -> RouteCandidate:
    return RouteCandidate(Route(provider=name, weight=weight), **({"allowed": True, "failures": 0} | known))


def chosen(*candidates: RouteCandidate, drawn: float = 0.0, beside: Collection[str] = ()) -> tuple[str, str]:
    choice = choose(candidates, lambda: drawn, beside)
    assert choice is not None
    return choice.route.provider, choice.because


def test_the_most_preferred_route_is_taken_first() -> None:
    assert chosen(candidate("a", first_token_s=9.0), candidate("b")) == ("a", "most preferred route")


def test_an_open_breaker_keeps_requests_away() -> None:
    assert chosen(candidate("a", allowed=False), candidate("b")) == ("b", "more preferred routes are failing")


def test_a_full_provider_is_passed_over() -> None:
    assert chosen(candidate("a", has_room=False), candidate("b")) == ("b", "more preferred routes are full")


def test_a_route_that_refused_this_job_is_not_asked_again_unless_all_did() -> None:
    refused = candidate("a", refused=True, failures=1)
    assert chosen(refused, candidate("b")) == ("b", "more preferred routes refused it")
    assert chosen(refused, candidate("b", refused=True, failures=1))[0] == "a"


def test_a_provider_that_failed_this_job_comes_last() -> None:
    assert chosen(candidate("a", failures=1), candidate("b"))[0] == "b"
    assert chosen(candidate("a", failures=2), candidate("b", failures=1))[0] == "b"


def test_nothing_is_chosen_when_nobody_may_be_asked() -> None:
    assert choose([candidate("a", allowed=False), candidate("b", has_room=False)], lambda: 0.0) is None


def test_who_is_asked_already_is_not_asked_beside() -> None:
    assert chosen(candidate("a"), candidate("b"), beside={"a"})[0] == "b"


def test_fallbacks_come_after_the_aliass_own_routes_however_fast_they_are() -> None:
    own, fallback = candidate("a", alias="main"), candidate("b", alias="spare", tier=1, selection="fastest")
    assert chosen(own, fallback)[0] == "a"

    failed = candidate("a", alias="main", failures=1)
    assert choose([failed, fallback], lambda: 0.0) == Choice(
        fallback.route, "fallback to spare: first token expected soonest, in 0 ms", "spare"
    )


def test_a_provider_nearby_goes_before_a_more_preferred_one_far_away() -> None:
    assert chosen(candidate("far", near=False), candidate("near"))[0] == "near"
    assert chosen(candidate("far", near=False), candidate("near", failures=1))[0] == "far"


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.99])
def test_of_two_routes_the_fastest_is_always_found(drawn: float) -> None:
    slow = candidate("a", selection="fastest", first_token_s=0.5)
    fast = candidate("b", selection="fastest", first_token_s=0.025)
    assert chosen(slow, fast, drawn=drawn) == ("b", "first token expected soonest, in 25 ms")


def test_of_many_routes_two_are_drawn_so_that_not_all_run_to_one() -> None:
    routes = [candidate(str(place), selection="fastest", first_token_s=0.1 * (9 - place)) for place in range(10)]

    assert {chosen(*routes, drawn=place / 100)[0] for place in range(100)} >= {"1", "4", "9"}


def test_calls_under_way_count_against_a_fast_provider() -> None:
    busy = candidate("a", selection="fastest", first_token_s=0.1, in_flight=9)
    idle = candidate("b", selection="fastest", first_token_s=0.5)
    assert chosen(busy, idle)[0] == "b"


def test_the_cheapest_is_taken_and_one_without_a_price_last() -> None:
    unknown = candidate("a", selection="cheapest")
    dear, cheap = (
        candidate("b", selection="cheapest", cost_micros=30),
        candidate("c", selection="cheapest", cost_micros=20),
    )
    assert chosen(unknown, dear, cheap) == ("c", "cheapest route")
    assert chosen(unknown)[0] == "a"


def test_weights_divide_what_is_drawn() -> None:
    routes = [candidate("a", 3, selection="weighted"), candidate("b", 1, selection="weighted")]
    assert [chosen(*routes, drawn=drawn)[0] for drawn in (0.0, 0.74, 0.75, 0.99)] == ["a", "a", "b", "b"]
    assert chosen(*routes)[1] == "drawn with weight 3 of 4"


def test_bad_news_count_at_once_and_good_news_slowly() -> None:
    expected = PeakEwma(memory_s=10)
    expected.observe(0.1, now=0)
    expected.observe(2.0, now=1)
    assert expected.value_s(1) == 2.0

    expected.observe(0.1, now=2)
    assert 1.5 < expected.value_s(2) < 2.0
    expected.observe(0.1, now=60)
    assert expected.value_s(60) == pytest.approx(0.1, abs=0.01)


def test_a_provider_that_was_slow_once_is_tried_again_in_time() -> None:
    expected = PeakEwma(memory_s=10)
    expected.observe(5.0, now=0)

    assert expected.value_s(60) < 0.02
