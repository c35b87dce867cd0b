"""Times and durations, converted between protobuf and Python.

Seconds are floats, to the nanosecond for what was asked for and to the microsecond for what was measured. Callers check
whether a field is set: one that is not reads as 0, or as 1970.
"""

import time
from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_NANOS: Final = 1_000_000_000
_MICROS: Final = 1_000_000


def now() -> Timestamp:
    """Returns the current time, at a third of the cost of Timestamp.GetCurrentTime, which goes through datetime."""
    seconds, nanos = divmod(time.time_ns(), _NANOS)
    return Timestamp(seconds=seconds, nanos=nanos)


def duration(seconds: float) -> Duration:
    """Returns a duration, to the nanosecond."""
    made = Duration()
    made.FromNanoseconds(round(seconds * _NANOS))
    return made


def elapsed(seconds: float) -> Duration:
    """Returns how long something took, to the microsecond."""
    made = Duration()
    made.FromMicroseconds(round(seconds * _MICROS))
    return made


def timestamp(moment: datetime) -> Timestamp:
    """Returns a timestamp; a time without a time zone is taken as UTC."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def unix_timestamp(unix_s: float) -> Timestamp:
    """Returns the timestamp of a time in seconds since 1970, to the microsecond."""
    made = Timestamp()
    made.FromMicroseconds(round(unix_s * _MICROS))
    return made


def seconds_of(value: Duration | Timestamp) -> float:
    """Returns the seconds of a duration, even an invalid one, or those from 1970 to a timestamp.

    Raises:
        ValueError: the timestamp is not between the years 1 and 9999.
    """
    return value.ToNanoseconds() / _NANOS


def seconds_between(start: Timestamp, end: Timestamp) -> float:
    """Returns the seconds from `start` to `end`, without the rounding of seconds since 1970. Raises ValueError."""
    return (end.ToNanoseconds() - start.ToNanoseconds()) / _NANOS


def datetime_of(value: Timestamp) -> datetime:
    """Returns a timestamp as a time in UTC, cut to the microsecond. Raises ValueError."""
    return value.ToDatetime(tzinfo=UTC)
