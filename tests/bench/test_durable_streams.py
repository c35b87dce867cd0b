"""How the comparison of durable streams counts delays, CPU, interruptions and lost tokens."""

from collections.abc import AsyncIterator

import pytest
from bench.durable_streams.__main__ import turns
from bench.durable_streams.catch_up import CatchUp, CatchUps
from bench.durable_streams.clients.protocol import Received, bounded, paced, produce
from bench.durable_streams.delivery import Deliveries, Delivery, by_column
from bench.durable_streams.recovery import Kill, count_duplicated, count_lost, next_token_s
from bench.durable_streams.systems.valkey import ValkeyFanOut
from bench.durable_streams.systems.weft import Weft

SECOND = 1_000_000


def received(*tokens: tuple[float, float], kept: int | None = None, wrong: str = "") -> Received:
    """Returns a stream whose tokens were produced and received at these seconds."""
    produced, at = [int(produced * SECOND) for produced, _ in tokens], [int(at * SECOND) for _, at in tokens]
    return Received(produced, at, len(tokens) if kept is None else kept, wrong)


def test_the_next_token_is_the_first_one_produced_after_the_kill() -> None:
    stream = received((1.0, 1.1), (1.9, 2.2), (4.0, 4.5), (4.1, 4.5))
    assert next_token_s(stream, 2 * SECOND) == 2.5


def test_a_token_in_flight_at_the_kill_is_not_the_next_one() -> None:
    assert next_token_s(received((1.9, 2.2)), 2 * SECOND) is None


def test_streams_that_ended_before_the_kill_are_not_counted_as_silent() -> None:
    ended, gone, going = received((1.0, 1.1), (1.5, 1.6)), received((1.0, 1.1)), received((1.0, 1.1), (2.1, 2.2))
    kill = Kill.of([ended, gone, going], tokens=2, at_us=2 * SECOND)
    assert (kill.silent, kill.resumed_s, kill.complete) == (1, [], 2)


def test_tokens_of_an_attempt_that_was_started_over_are_withdrawn() -> None:
    moved = received((1.0, 1.1), (4.0, 4.5), (4.25, 4.5), kept=2)
    kill = Kill.of([moved], tokens=2, at_us=2 * SECOND)
    assert (kill.withdrawn, kill.complete, kill.resumed_s) == (1, 1, [2.5])


def test_a_token_that_a_reader_received_twice_is_repeated_and_not_withdrawn() -> None:
    resumed = received((1.0, 1.1), (1.0, 4.5), (4.25, 4.5), kept=2)
    kill = Kill.of([resumed], tokens=2, at_us=2 * SECOND)
    assert (kill.repeated, kill.withdrawn, kill.complete) == (1, 0, 1)


def test_a_stream_that_ended_with_an_error_is_not_complete() -> None:
    assert Kill.of([received((1.0, 1.1), wrong="no done")], tokens=1, at_us=2 * SECOND).complete == 0


def test_known_tokens_that_are_not_found_are_lost() -> None:
    assert count_lost({"a": [1, 2, 3, 3], "b": [4]}, {"a": [1, 3, 9]}) == 2


def test_a_token_that_is_stored_again_is_duplicated() -> None:
    assert count_duplicated({"a": [1, 2, 2, 2], "b": [2]}) == 2


def test_processes_without_a_column_are_the_rest_without_the_measurement() -> None:
    columns = by_column({"log": 1.0, "reader": 2.0, "postgres": 0.5, "cache": 0.25, "client": 9.0})
    assert columns == {"log": 1.0, "reader": 2.0, "rest": 0.75}


def test_a_column_without_a_process_is_empty_and_not_zero() -> None:
    deliveries = Deliveries(seconds=6)
    deliveries.add(1, "other", Delivery(1, [2.0], {"log": 0.0, "worker": 2e-6}, wrong=0))
    assert "| 1 | other | 0 | 2 |  |  |  |  | 2 |" in deliveries.lines("Weft")


def test_the_cost_of_a_token_excludes_the_provider() -> None:
    delivery = Delivery(4, [1.0, 2.0], {"log": 2e-6, "worker": 4e-6, "provider": 100e-6, "rest": 2e-6}, wrong=0)
    assert delivery.whole_us == pytest.approx(4.0)


def test_delivery_reports_missing_tokens_and_compares_round_by_round() -> None:
    deliveries = Deliveries(seconds=6)
    for weft_ms, other_ms in ((2.0, 4.0), (4.0, 4.0), (1.0, 4.0)):
        deliveries.add(64, "Weft", Delivery(1, [weft_ms], {}, wrong=0))
        deliveries.add(64, "other", Delivery(2, [other_ms], {}, wrong=1))
    lines = deliveries.lines("Weft")
    assert "| 64 | Weft | 100.0 | 2.0 (1.0 to 4.0) | 2.0 (1.0 to 4.0) | 1.00 (1.00 to 1.00) | 0 |" in lines
    assert "| 64 | other | 50.0 | 4.0 (4.0 to 4.0) | 4.0 (4.0 to 4.0) | 2.00 (1.00 to 4.00) | 3 |" in lines


def test_a_load_of_which_nothing_arrived_is_still_reported() -> None:
    deliveries = Deliveries(seconds=6)
    deliveries.add(1, "Weft", Delivery(1, [2.0], {}, wrong=0))
    deliveries.add(1, "other", Delivery(1, [], {}, wrong=1))
    assert "| 1 | other | 0.0 | nan | nan |  | 1 |" in deliveries.lines("Weft")


def test_catch_up_reports_the_reader_that_received_least() -> None:
    catch_ups = CatchUps(tokens=100)
    catch_ups.add("other", [CatchUp(100, 100, 0.5), CatchUp(100, 40, 1.0), CatchUp(100, 100, 0.25)])
    assert "| other | 100 | 40 | 500 | 200 (40 to 400) |" in catch_ups.lines()


def test_a_different_system_starts_each_round() -> None:
    systems = [Weft(), ValkeyFanOut()]
    assert [[system.name for system in order] for order in turns(systems, 3)] == [
        ["Weft", "Valkey streams"],
        ["Valkey streams", "Weft"],
        ["Weft", "Valkey streams"],
    ]


async def test_a_slow_log_does_not_slow_the_producer() -> None:
    appended: list[tuple[int, int]] = []
    slow = paced(rate=20, tokens=5)

    async def append(token: int) -> None:
        appended.append((token, await anext(slow)))

    produced: list[int] = []
    await produce(10_000, 5, append, produced)
    assert produced == [token for token, _ in appended]
    second_taken = appended[1][1]
    assert produced[-1] < second_taken


async def test_readers_that_never_get_their_tokens_are_cancelled() -> None:
    async def forever() -> AsyncIterator[int]:
        async for token in paced(rate=0.001, tokens=2):
            yield token

    got = Received()

    async def read() -> None:
        async for token in forever():
            got.add([token], token)

    await bounded([read()], limit_s=0.2)
    assert got.kept == 1


async def test_the_error_of_a_reader_is_raised() -> None:
    async def read() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        await bounded([read()], limit_s=1)
