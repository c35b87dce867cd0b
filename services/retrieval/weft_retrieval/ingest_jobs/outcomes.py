"""How an attempt may end, and what is then written to the log."""

from enum import Enum, auto

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft_kit.joblog import text_hash
from weft_kit.rpc.errors import WeftError


class Stop(Enum):
    """Why an attempt ends before its work does."""

    CANCELLED = auto()
    EXPIRED = auto()
    DRAINED = auto()


class IngestEnd(Enum):
    """What happens to the lease."""

    DONE = auto()
    RELEASED = auto()
    SUPERSEDED = auto()


_CANCELLED = job_pb2.JobError(
    reason=error_pb2.ERROR_REASON_CANCELLED,
    message="cancelled; what was stored by then stays stored",
)
_EXPIRED = job_pb2.JobError(
    reason=error_pb2.ERROR_REASON_EXPIRED,
    message="its time ran out; ingest the same again with more: what is stored already costs next to nothing",
    retryable=True,
)
_DRAINING = job_pb2.JobError(reason=error_pb2.ERROR_REASON_DRAINING, message="the worker shut down", retryable=True)


def released(attempt: int) -> event_pb2.Released:
    """The job goes back to the queue."""
    return event_pb2.Released(attempt=job_pb2.Attempt(number=attempt, error=_DRAINING))


def done(why: Stop | None, failure: WeftError | None, result: ingest_pb2.IngestResult) -> event_pb2.Done:
    """The job is over: all its documents were tried, none can be stored, or it was stopped."""
    if failure:
        error = job_pb2.JobError(reason=failure.reason, message=failure.message)
        return _done(job_pb2.JOB_STATE_FAILED, error, result)
    match why:
        case None | Stop.DRAINED:
            return _done(job_pb2.JOB_STATE_SUCCEEDED, None, result)
        case Stop.CANCELLED:
            return _done(job_pb2.JOB_STATE_CANCELLED, _CANCELLED, result)
        case Stop.EXPIRED:
            return _done(job_pb2.JOB_STATE_EXPIRED, _EXPIRED, result)


def _done(
    state: job_pb2.JobState.ValueType, error: job_pb2.JobError | None, result: ingest_pb2.IngestResult
) -> event_pb2.Done:
    return event_pb2.Done(state=state, text_hash=text_hash(""), error=error, ingest=result)
