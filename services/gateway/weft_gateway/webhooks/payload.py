"""The body of a webhook."""

import json
from collections.abc import Sequence
from typing import Final

from google.protobuf.json_format import MessageToDict

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import project

_TYPES: Final[dict[int, str]] = {
    job_pb2.JOB_STATE_SUCCEEDED: "job.succeeded",
    job_pb2.JOB_STATE_FAILED: "job.failed",
    job_pb2.JOB_STATE_CANCELLED: "job.cancelled",
    job_pb2.JOB_STATE_EXPIRED: "job.expired",
}


def payload(job_id: str, encoded: Sequence[bytes]) -> bytes:
    """Returns the encoded body that reports a job's end, in the format of Standard Webhooks, from its lasting events.

        {"type": "job.succeeded", "timestamp": "2026-01-31T12:00:00.123Z", "data": {"jobId": "…", …}}

    `type` is `job.succeeded`, `job.failed`, `job.cancelled` or `job.expired`. `timestamp` is when the job ended.
    `data` is the `weft.job.v1.Job` with request and answer, in the JSON mapping of protobuf.
    """
    events = [event_pb2.JobEvent.FromString(event) for event in encoded]
    job = project(job_id, events)
    record = {"type": _TYPES[job.state], "timestamp": events[-1].time.ToJsonString(), "data": MessageToDict(job)}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
