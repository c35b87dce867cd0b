"""Times and durations as people read them."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def moment(at: Timestamp) -> str:
    return f"{at.ToDatetime().isoformat(sep=' ', timespec='seconds')} UTC"


def between(start: Timestamp, end: Timestamp) -> str:
    return _duration(end.ToNanoseconds() - start.ToNanoseconds())


def span(duration: Duration) -> str:
    return _duration(duration.ToNanoseconds())


def _duration(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
