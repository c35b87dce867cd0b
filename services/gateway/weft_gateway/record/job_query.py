"""Which jobs a list asks for."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_gateway.pages import Position
from weft_kit.joblog import PRIORITIES, new_job_id
from weft_kit.rpc.errors import InvalidFields
from weft_kit.rpc.time import datetime_of
from weft_kit.stores.page_tokens import page_size

AUDIT_LABEL: Final = "weft.audit"
"""Marks jobs that repeat a cached question for an audit. Nobody submitted them, so lists show them only on request."""
AUDIT_OF: Final = "weft.audit_of"
"""Names, on such a job, the job that the cache answered."""

_MOST_MODELS, _MOST_LABELS = 100, 16


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A page of one tenant's jobs, newest first, that come after `before` in that order."""

    tenant: str
    states: tuple[int, ...]
    models: tuple[str, ...]
    priorities: tuple[int, ...]
    labels: tuple[tuple[str, str], ...]
    request_id: str
    accepted_after: datetime | None
    accepted_before: datetime | None
    before: Position | None
    size: int

    @property
    def scope(self) -> tuple[str, ...]:
        """Returns what must be the same from page to page."""
        return "jobs", *(repr(getattr(self, name)) for name in _FILTERS)

    @property
    def wants_audits(self) -> bool:
        return AUDIT_LABEL in dict(self.labels)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """Returns the ids that a job submitted under the request id may have, one for each priority; empty without a
        request id.
        """
        if not self.request_id:
            return ()
        return tuple(new_job_id(self.tenant, priority, self.request_id) for priority in PRIORITIES)


_FILTERS = tuple(field.name for field in fields(JobQuery) if field.name not in {"before", "size"})


def read_job_query(tenant: str, request: pb.ListJobsRequest) -> JobQuery:
    """Returns the query for the first page of a request. Raises InvalidFields."""
    counts = {"models": (len(request.models), _MOST_MODELS), "labels": (len(request.labels), _MOST_LABELS)}
    if too_many := {name: f"must be at most {most}, are {are}" for name, (are, most) in counts.items() if are > most}:
        raise InvalidFields(too_many)
    return JobQuery(
        tenant=tenant,
        states=_known(request.states, job_pb2.JobState.values()),
        models=tuple(sorted(set(request.models))),
        priorities=_known(request.priorities, PRIORITIES),
        labels=tuple(sorted(request.labels.items())),
        request_id=request.request_id,
        accepted_after=_time(request, "accepted_after"),
        accepted_before=_time(request, "accepted_before"),
        before=None,
        size=page_size(request.page_size),
    )


def _known(values: Iterable[int], known: Collection[int]) -> tuple[int, ...]:
    """Returns the enum values that this replica knows; the others are treated as not given."""
    return tuple(sorted({value for value in values if value and value in known}))


def _time(request: pb.ListJobsRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]  # the callers' literals
        return None
    return datetime_of(getattr(request, field))
