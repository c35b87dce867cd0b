"""Which jobs to list."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2


class JobFilters(TypedDict, total=False):
    """Filters for jobs, which must pass all that are given.

    `accepted_after` is inclusive and `accepted_before` is exclusive; without a time zone they are in UTC.
    """

    models: Sequence[str]
    priorities: Sequence[job_pb2.Priority.ValueType]
    labels: Mapping[str, str]
    request_id: str
    accepted_after: datetime
    accepted_before: datetime


def to_list(states: Sequence[job_pb2.JobState.ValueType], filters: JobFilters) -> pb.ListJobsRequest:
    """Returns the request that lists the jobs that pass."""
    asked = pb.ListJobsRequest(
        states=states,
        models=filters.get("models", ()),
        priorities=filters.get("priorities", ()),
        labels=filters.get("labels", {}),
        request_id=filters.get("request_id", ""),
    )
    if "accepted_after" in filters:
        asked.accepted_after.FromDatetime(filters["accepted_after"])
    if "accepted_before" in filters:
        asked.accepted_before.FromDatetime(filters["accepted_before"])
    return asked
