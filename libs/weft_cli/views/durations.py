"""Times and durations as people read them."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from weft_kit.rpc.time import seconds_between, seconds_of


def moment(at: Timestamp) -> str:
    return f"{at.ToDatetime().isoformat(sep=' ', timespec='seconds')} UTC"


def between(start: Timestamp, end: Timestamp) -> str:
    return length(seconds_between(start, end))


def span(duration: Duration) -> str:
    return length(seconds_of(duration))


def elapsed(seconds: float) -> str:
    """Returns an elapsed time in whole seconds: 59 s, 1 min 0 s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def length(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
