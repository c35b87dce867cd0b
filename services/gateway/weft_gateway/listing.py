"""Which jobs a list asks for."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_gateway.pages import page_size, read_token, write_token
from weft_kit.errors import Invalid, InvalidFields

Position = tuple[datetime, str]
"""Where a page ends: time and id of its last item."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A page of one tenant's jobs, newest first, that come after `before` in that order."""

    tenant: str
    states: tuple[int, ...]
    accepted_after: datetime | None
    accepted_before: datetime | None
    before: Position | None
    size: int

    @property
    def filters(self) -> tuple[object, ...]:
        """What must be the same from page to page."""
        return self.tenant, self.states, self.accepted_after, self.accepted_before


def read_job_query(tenant: str, request: pb.ListJobsRequest) -> JobQuery:
    """Raises InvalidFields, or Invalid for a page token of another list."""
    known = job_pb2.JobState.values()
    query = JobQuery(
        tenant=tenant,
        states=tuple(sorted({state for state in request.states if state in known and state})),
        accepted_after=_time(request, "accepted_after"),
        accepted_before=_time(request, "accepted_before"),
        before=None,
        size=page_size(request.page_size),
    )
    return replace(query, before=read_position(request.page_token, query.filters))


def read_position(token: str, filters: object) -> Position | None:
    """The position a page token holds; None for the first page."""
    position = read_token(token, filters)
    if position is None:
        return None
    try:
        return datetime.fromisoformat(position[0]), position[1]
    except ValueError:
        message = "page_token is damaged; send `next_page_token` as it was"
        raise Invalid(error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN, message) from None


def write_position(position: Position | None, filters: object) -> str:
    """The page token of a position; empty when there is no further page."""
    return write_token(filters, (position[0].isoformat(), position[1])) if position else ""


def _time(request: pb.ListJobsRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]  # the callers' literals
        return None
    try:
        moment: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidFields({field: "must be a valid time between the years 1 and 9999"}) from None
    return moment
