"""Wall-clock time as the wire has it."""

import time

from google.protobuf.timestamp_pb2 import Timestamp


def now() -> Timestamp:
    """Returns the current time; a third of the cost of Timestamp.GetCurrentTime, which goes through datetime."""
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)
