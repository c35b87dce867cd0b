"""Deliveries, their tries, and what became of them."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of one try. `text` is for the tenant: it names nothing of the answer but its status."""

    text: str
    http_status: int = 0
    """0 when no answer came."""
    final: bool = False
    """Another try would be wrong."""
    retry_after_s: float | None = None
    """As the target asked."""
    detail: str = ""
    """For the operator alone: what the name of the target resolved to, and why that is no place to post to."""

    @property
    def delivered(self) -> bool:
        return 200 <= self.http_status < 300


def no_public_address(detail: str) -> DeliveryOutcome:
    """What is told of a name that leads nowhere, and of one that leads inside.

    A tenant must not learn which: it could ask for all of our network's names in turn.
    """
    return DeliveryOutcome("not reachable: the name has no public address", detail=detail)


def outcome_of(status: int, retry_after_s: float | None) -> DeliveryOutcome:
    """What an answer means. Only 410 says that nobody wants to hear of it again."""
    if status == HTTPStatus.GONE:
        return DeliveryOutcome("HTTP 410: the target is gone", status, final=True)
    if 300 <= status < 400:
        return DeliveryOutcome(f"HTTP {status}: redirects are not followed", status, retry_after_s=retry_after_s)
    return DeliveryOutcome(f"HTTP {status}", status, retry_after_s=retry_after_s)


@dataclass(frozen=True, slots=True)
class Try:
    """One try, as it is kept."""

    time: datetime
    duration_s: float
    http_status: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook to be tried now, by whoever holds the claim."""

    job_id: str
    tenant: str
    claim: UUID
    tries_made: int
    """In this run of tries."""
    late_s: float
    """How long ago it was due."""
    url: str
    events: tuple[bytes, ...]
    """The job's lasting ones, encoded, in order."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook, as its tenant sees it."""

    job_id: str
    url: str
    state: int
    """weft.gateway.v1.DeliveryState."""
    create_time: datetime
    next_time: datetime | None
    tries: tuple[Try, ...]
    """Oldest first."""
