"""Deliveries, their attempts, and the outcomes."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The outcome of one attempt. `text` is for the tenant: it reveals nothing of the response but its status."""

    text: str
    http_status: int = 0
    """0 when there was no response."""
    final: bool = False
    """Whether a further attempt would be wrong."""
    retry_after_s: float | None = None
    """As the target asked."""
    detail: str = ""
    """For the operator only: what the target's name resolved to, and why it is not a valid target."""

    @property
    def delivered(self) -> bool:
        return 200 <= self.http_status < 300


def no_public_address(detail: str) -> DeliveryOutcome:
    """Returns the error for a name that does not resolve, and for one that resolves to an internal address.

    A tenant must not learn which: it could probe all names of our network in turn.
    """
    return DeliveryOutcome("not reachable: the name has no public address", detail=detail)


def outcome_of(status: int, retry_after_s: float | None) -> DeliveryOutcome:
    """Returns what a response means. Only 410 says that the receiver wants no more deliveries."""
    if status == HTTPStatus.GONE:
        return DeliveryOutcome("HTTP 410: the target is gone", status, final=True)
    if 300 <= status < 400:
        return DeliveryOutcome(f"HTTP {status}: redirects are not followed", status, retry_after_s=retry_after_s)
    return DeliveryOutcome(f"HTTP {status}", status, retry_after_s=retry_after_s)


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt, as it is stored."""

    time: datetime
    duration_s: float
    http_status: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook to be sent now by the notifier that holds the claim."""

    job_id: str
    tenant: str
    claim: UUID
    tries_made: int
    """Attempts in the current series."""
    late_s: float
    """How long ago it was due."""
    url: str
    events: tuple[bytes, ...]
    """The job's lasting events, encoded, in order."""


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
