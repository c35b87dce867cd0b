"""Times and durations go over the wire and come back as they were, as precisely as each is meant."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from weft_kit.rpc.time import (
    datetime_of,
    duration,
    elapsed,
    now,
    seconds_between,
    seconds_of,
    timestamp,
    unix_timestamp,
)

MOMENT = datetime(2026, 5, 4, 3, 2, 1, 123456, UTC)


@pytest.mark.parametrize("seconds", [0.0, 1.1, 0.123456789, -0.5, 86_400.000000001])
def test_a_duration_keeps_its_nanoseconds(seconds: float) -> None:
    assert seconds_of(duration(seconds)) == seconds


def test_what_was_measured_is_told_to_the_microsecond() -> None:
    assert elapsed(1.2345678) == Duration(seconds=1, nanos=234_568_000)


def test_a_negative_duration_has_one_sign() -> None:
    assert duration(-1.5) == elapsed(-1.5) == Duration(seconds=-1, nanos=-500_000_000)


def test_a_duration_that_is_none_by_protobufs_rules_is_read_all_the_same() -> None:
    assert seconds_of(Duration(seconds=10**13, nanos=2 * 10**9)) == 10**13 + 2


def test_what_was_not_set_reads_as_nothing() -> None:
    assert (seconds_of(Duration()), seconds_of(Timestamp())) == (0, 0)
    assert datetime_of(Timestamp()) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_moment_comes_back_in_utc() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=2)))
    assert timestamp(MOMENT) == timestamp(there) == timestamp(MOMENT.replace(tzinfo=None))
    back = datetime_of(timestamp(there))
    assert (back, back.tzinfo) == (MOMENT, UTC)


def test_seconds_since_1970_are_the_same_moment() -> None:
    assert unix_timestamp(MOMENT.timestamp()) == timestamp(MOMENT)
    assert seconds_of(timestamp(MOMENT)) == pytest.approx(MOMENT.timestamp(), abs=1e-6)


def test_what_lies_between_two_times_is_not_rounded() -> None:
    start, end = Timestamp(seconds=1_800_000_000, nanos=1), Timestamp(seconds=1_800_000_001, nanos=3)
    assert seconds_between(start, end) == 1.000000002
    assert seconds_between(end, start) == -1.000000002


@pytest.mark.parametrize("odd", [Timestamp(seconds=10**12), Timestamp(nanos=-1)])
def test_a_time_that_is_none_is_refused(odd: Timestamp) -> None:
    for read in (seconds_of, datetime_of):
        with pytest.raises(ValueError, match="Timestamp is not valid"):
            read(odd)


def test_now_is_the_wall_clocks_time() -> None:
    assert abs(seconds_of(now()) - time.time()) < 5
