"""What counts in the comparison of durable streams: delays, catch-up, lost tokens, and whose turn it is."""

from collections.abc import AsyncIterator

import pytest
from bench.durable_streams.__main__ import turns
from bench.durable_streams.catching_up import CatchUp, CatchUps
from bench.durable_streams.delivery import Deliveries, Delivery, by_column
from bench.durable_streams.recovery import Kill, count_lost, count_twice, next_token_s
from bench.durable_streams.sides.talk import Heard, bounded, paced, speak
from bench.durable_streams.systems.valkey import ValkeyFanOut
from bench.durable_streams.systems.weft import Weft

SECOND = 1_000_000


def heard(*tokens: tuple[float, float], kept: int | None = None, wrong: str = "") -> Heard:
    """Returns a stream whose tokens were said and heard at such seconds."""
    said, at = [int(said * SECOND) for said, _ in tokens], [int(at * SECOND) for _, at in tokens]
    return Heard(said, at, len(tokens) if kept is None else kept, wrong)


def test_the_next_token_is_the_first_that_was_said_after_the_kill() -> None:
    stream = heard((1.0, 1.1), (1.9, 2.2), (4.0, 4.5), (4.1, 4.5))
    assert next_token_s(stream, 2 * SECOND) == 2.5


def test_a_token_under_way_at_the_kill_is_not_the_next_one() -> None:
    assert next_token_s(heard((1.9, 2.2)), 2 * SECOND) is None


def test_streams_that_ended_before_the_kill_are_not_counted_as_silent() -> None:
    ended, gone, going = heard((1.0, 1.1), (1.5, 1.6)), heard((1.0, 1.1)), heard((1.0, 1.1), (2.1, 2.2))
    kill = Kill.of([ended, gone, going], tokens=2, at_us=2 * SECOND)
    assert (kill.silent, kill.stood_s, kill.whole) == (1, [], 2)


def test_what_an_attempt_said_before_another_began_anew_is_withdrawn() -> None:
    moved = heard((1.0, 1.1), (4.0, 4.5), (4.25, 4.5), kept=2)
    kill = Kill.of([moved], tokens=2, at_us=2 * SECOND)
    assert (kill.withdrawn, kill.whole, kill.stood_s) == (1, 1, [2.5])


def test_a_stream_that_ended_with_an_error_is_not_whole() -> None:
    assert Kill.of([heard((1.0, 1.1), wrong="no done")], tokens=1, at_us=2 * SECOND).whole == 0


def test_lost_are_tokens_that_were_known_and_are_not_found() -> None:
    assert count_lost({"a": [1, 2, 3, 3], "b": [4]}, {"a": [1, 3, 9]}) == 2


def test_a_repeated_token_is_stored_twice() -> None:
    assert count_twice({"a": [1, 2, 2, 2], "b": [2]}) == 2


def test_processes_without_a_column_are_the_rest_and_the_measurement_is_none() -> None:
    columns = by_column({"log": 1.0, "reader": 2.0, "postgres": 0.5, "cache": 0.25, "client": 9.0})
    assert columns == {"log": 1.0, "reader": 2.0, "rest": 0.75}


def test_a_column_that_a_system_has_no_process_for_is_empty_and_not_zero() -> None:
    deliveries = Deliveries(seconds=6)
    deliveries.add(1, "other", Delivery(1, [2.0], {"log": 0.0, "worker": 2e-6}, wrong=0))
    assert "| 1 | other | 0 | 2 |  |  |  |  | 2 |" in deliveries.lines("Weft")


def test_the_cost_of_a_token_leaves_the_provider_out() -> None:
    delivery = Delivery(4, [1.0, 2.0], {"log": 2e-6, "worker": 4e-6, "provider": 100e-6, "rest": 2e-6}, wrong=0)
    assert delivery.whole_us == pytest.approx(4.0)


def test_delivery_says_what_was_not_heard_and_compares_round_by_round() -> None:
    deliveries = Deliveries(seconds=6)
    for weft_ms, other_ms in ((2.0, 4.0), (4.0, 4.0), (1.0, 4.0)):
        deliveries.add(64, "Weft", Delivery(1, [weft_ms], {}, wrong=0))
        deliveries.add(64, "other", Delivery(2, [other_ms], {}, wrong=1))
    lines = deliveries.lines("Weft")
    assert "| 64 | Weft | 100.0 | 2.0 (1.0 to 4.0) | 2.0 (1.0 to 4.0) | 1.00 (1.00 to 1.00) | 0 |" in lines
    assert "| 64 | other | 50.0 | 4.0 (4.0 to 4.0) | 4.0 (4.0 to 4.0) | 2.00 (1.00 to 4.00) | 3 |" in lines


def test_a_load_of_which_nothing_came_is_reported_all_the_same() -> None:
    deliveries = Deliveries(seconds=6)
    deliveries.add(1, "Weft", Delivery(1, [2.0], {}, wrong=0))
    deliveries.add(1, "other", Delivery(1, [], {}, wrong=1))
    assert "| 1 | other | 0.0 | nan | nan |  | 1 |" in deliveries.lines("Weft")


def test_a_reader_that_did_not_get_everything_shows_in_catch_up() -> None:
    catch_ups = CatchUps(tokens=100)
    catch_ups.add("other", [CatchUp(100, 100, 0.5), CatchUp(100, 40, 1.0), CatchUp(100, 100, 0.25)])
    assert "| other | 100 | 40 | 500 | 200 (40 to 400) |" in catch_ups.lines()


def test_another_system_begins_each_round() -> None:
    systems = [Weft(), ValkeyFanOut()]
    assert [[system.name for system in order] for order in turns(systems, 3)] == [
        ["Weft", "Valkey streams"],
        ["Valkey streams", "Weft"],
        ["Weft", "Valkey streams"],
    ]


async def test_a_slow_log_does_not_slow_the_provider() -> None:
    appended: list[tuple[int, int]] = []
    slow = paced(rate=20, tokens=5)

    async def append(token: int) -> None:
        appended.append((token, await anext(slow)))

    said: list[int] = []
    await speak(10_000, 5, append, said)
    assert said == [token for token, _ in appended]
    second_taken = appended[1][1]
    assert said[-1] < second_taken


async def test_readers_that_never_get_their_tokens_are_broken_off() -> None:
    async def forever() -> AsyncIterator[int]:
        async for token in paced(rate=0.001, tokens=2):
            yield token

    got = Heard()

    async def read() -> None:
        async for token in forever():
            got.add([token], token)

    await bounded([read()], limit_s=0.2)
    assert got.kept == 1


async def test_a_reader_that_fails_is_not_hidden() -> None:
    async def read() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        await bounded([read()], limit_s=1)
