"""What must not happen, whatever is sent: our bugs shown as answers, texts of the inside, calls that hang."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.fuzz.calling import Outcome

SECRET: Final = "canary-6f1d"
"""Stands in all that the other tenant has stored; no answer to anybody else may hold it."""

_CRASHES: Final = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
# What a client is told without being sent more than that: gRPC's own default for metadata is 8 KiB.
_MOST_TRAILERS: Final = 4096 + 512
_MOST_DETAILS: Final = 1024 + 256
# Names of exceptions, of Python's files and objects, of our libraries and their words, and of places on the machine.
_INSIDE: Final = re.compile(
    rb"Traceback|File \"|\.py\b|object at 0x|[a-z]Error\b|Exception\b|psycopg|asyncpg|redis\.|nats\.|grpc\._|protobuf"
    rb"|upb|DecodeError|SQLSTATE|SELECT |INSERT |site-packages|/usr/|/home/|/tmp/|/root/|postgresql://|nats://|redis://"
)


@dataclass(frozen=True)
class Finding:
    """A call that went wrong, and why it is wrong."""

    why: str
    outcome: Outcome

    def __str__(self) -> str:
        shot, outcome = self.outcome.shot, self.outcome
        head = f"{self.why}: {shot.target.part}{shot.target.path} ({shot.way}, as {shot.identity}, call {shot.number})"
        return f"{head}: {outcome.code} {outcome.details[:200]!r} after {outcome.seconds:.1f} s; {shot.request[:300]!r}"


def judge(outcomes: Iterable[Outcome]) -> list[Finding]:
    """Returns what went wrong."""
    return [Finding(why, outcome) for outcome in outcomes for why in _faults(outcome)]


def table(outcomes: Sequence[Outcome]) -> str:
    """Says how many calls ended how."""
    counts = Counter(outcome.code for outcome in outcomes)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    codes = ", ".join(f"{code} {count}" for code, count in counts.most_common())
    return f"{len(outcomes)} calls: {codes}; slowest {slowest.seconds:.1f} s ({slowest.shot.target.path})"


def _faults(outcome: Outcome) -> Iterable[str]:
    if outcome.code in _CRASHES:
        yield outcome.code
    if outcome.code == "DEADLINE_EXCEEDED":
        yield "late"
    if outcome.trailer_bytes > _MOST_TRAILERS or len(outcome.details) > _MOST_DETAILS:
        yield f"long error of {outcome.trailer_bytes} bytes and {len(outcome.details)} characters"
    if outcome.code not in ("OK", "LEFT") and _told(outcome, _INSIDE):
        yield "shows the inside"
    if SECRET.encode() in outcome.seen or SECRET in outcome.details:
        yield "shows another tenant's text"


def _told(outcome: Outcome, pattern: re.Pattern[bytes]) -> bool:
    """Whether an error says what the caller did not send: what is quoted from a request is the caller's own."""
    told = outcome.details.encode() + b"\n" + outcome.seen
    return any(match.group() not in outcome.shot.request for match in pattern.finditer(told))
