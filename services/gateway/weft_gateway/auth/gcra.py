"""How fast callers may call: the generic cell rate algorithm, as a pure rule.

A caller that keeps to its rate always passes; one that has been silent may send a burst. Instead of counting in
windows, GCRA keeps one number per caller: when the next call would be due if all calls so far had been evenly spaced. A
call may be early by the tolerance; a batch counts as that many calls at once, and the last of them must not be too
early. Source: ITU-T I.371, annex A.
"""

from dataclasses import dataclass
from functools import lru_cache

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Exhausted


@dataclass(frozen=True, slots=True)
class Rate:
    """An even spacing of calls, and how much earlier than due a call may come. Both in microseconds."""

    interval_us: int
    tolerance_us: int

    @classmethod
    @lru_cache(maxsize=1024)
    def per_minute(cls, calls: int, burst_s: float) -> "Rate":
        """Returns the rate of `calls` a minute, of which `burst_s` seconds' worth, but at least one, may come at
        once.
        """
        interval = max(1, 60_000_000 // calls)
        return cls(interval, max(0, int(burst_s * 1_000_000) - interval))

    @property
    def burst(self) -> int:
        """Returns how many calls may come at once from a caller that has been silent."""
        return self.tolerance_us // self.interval_us + 1


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate for one caller, and the number of calls to check. `kind` is "key" or "address"."""

    kind: str
    name: str
    rate: Rate
    calls: int = 1

    @property
    def id(self) -> str:
        """Returns the id of the caller among all limits."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class RateRefusal:
    """The limit that a call would break, and for how long."""

    limit: RateLimit
    wait_us: int

    def error(self) -> Exhausted:
        """Returns the error for the caller."""
        limit, wait_s = self.limit, self.wait_us / 1e6
        per_minute = 60_000_000 // limit.rate.interval_us
        message = f"this {limit.kind} may make {per_minute} calls a minute; wait {wait_s:.3f} s, then retry"
        return Exhausted(error_pb2.ERROR_REASON_RATE_LIMITED, message, wait_s, limit=limit.kind)


def wait_us(due_us: int, now_us: int, rate: Rate, calls: int = 1) -> int:
    """Returns how long `calls` at `now_us` must wait; 0 if they may pass. `due_us` is 0 for a caller never seen."""
    last_due_us = _owed_us(due_us, now_us, rate) + (calls - 1) * rate.interval_us
    return max(0, last_due_us - rate.tolerance_us - now_us)


def next_due_us(due_us: int, now_us: int, rate: Rate, calls: int = 1) -> int:
    """Returns when the next call is due, after `calls` that passed at `now_us`."""
    return _owed_us(due_us, now_us, rate) + calls * rate.interval_us


def _owed_us(due_us: int, now_us: int, rate: Rate) -> int:
    # A debt larger than this rate can build up stems from a slower rate, before it was raised: it is forgiven.
    if due_us > now_us + rate.tolerance_us + rate.interval_us:
        return now_us + rate.tolerance_us
    return max(due_us, now_us)
