"""Checks durations and timestamps: protobuf carries any numbers in them, and invalid ones would fail late.

Only what the types themselves promise is checked here, so that every accepted request can be read by workers, the
record and webhooks. What a field allows is for its service to check.
"""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_MOST_NANOS = 999_999_999
_LONGEST_S = 315_576_000_000
# The years 1 to 9999.
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799


def duration_problem(duration: Duration) -> str:
    """Returns why a duration is invalid; "" if it is valid."""
    seconds, nanos = duration.seconds, duration.nanos
    if abs(nanos) > _MOST_NANOS:
        return f"must have nanos of less than a second, has {nanos}"
    if seconds * nanos < 0:
        return f"must have seconds and nanos of one sign, has {seconds} and {nanos}"
    if abs(seconds) > _LONGEST_S:
        return f"must be at most {_LONGEST_S} s, is {seconds} s"
    return ""


def timestamp_problem(moment: Timestamp) -> str:
    """Returns why a timestamp is invalid; "" if it is valid."""
    if not 0 <= moment.nanos <= _MOST_NANOS:
        return f"must have nanos from 0 to {_MOST_NANOS}, has {moment.nanos}"
    if not _EARLIEST_S <= moment.seconds <= _LATEST_S:
        return "must be a valid time between the years 1 and 9999"
    return ""
