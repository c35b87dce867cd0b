"""An ingest job's record, from three of its events: the first, the last, and the last with counts."""

from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.joblog import envelope_of

_STATES = {
    "accepted": job_pb2.JOB_STATE_QUEUED,
    "released": job_pb2.JOB_STATE_QUEUED,
    "started": job_pb2.JOB_STATE_RUNNING,
    "progress": job_pb2.JOB_STATE_RUNNING,
    "cancel_requested": job_pb2.JOB_STATE_RUNNING,
}


def record(
    first: event_pb2.JobEvent, last: event_pb2.JobEvent, progress: ingest_pb2.IngestProgress | None = None
) -> pb.IngestJob:
    """Returns the job as of its last event."""
    envelope = envelope_of(first)
    job = pb.IngestJob(
        job_id=first.job_id,
        collection=envelope.ingest.collection,
        state=_STATES.get(last.WhichOneof("event") or "", job_pb2.JOB_STATE_UNSPECIFIED),
        progress=progress or ingest_pb2.IngestProgress(documents=envelope.ingest.documents),
        request_id=envelope.request_id,
        accept_time=first.time,
        expire_time=envelope.expire_time,
        last_sequence=last.sequence,
        content_bytes=envelope.ingest.content_bytes,
    )
    if last.HasField("done"):
        _end(job, last)
    return job


def _end(job: pb.IngestJob, last: event_pb2.JobEvent) -> None:
    done = last.done
    job.state = done.state
    job.end_time.CopyFrom(last.time)
    if done.HasField("error"):
        job.error.CopyFrom(done.error)
    if done.HasField("ingest"):
        job.progress.CopyFrom(done.ingest.progress)
        job.duration.CopyFrom(done.ingest.duration)
        job.embedder_share = done.ingest.embedder_share
