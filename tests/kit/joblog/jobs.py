"""Jobs for the tests of the log."""

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, new_job_id

ENVELOPE = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default"), request_hash="h")


def fresh_id(request_id: str = "") -> str:
    return new_job_id("acme", job_pb2.PRIORITY_NORMAL, request_id)


async def run_job(log: JobLog, job_id: str, after: int, *words: str) -> None:
    writer = log.writer(job_id, after)
    await writer.append(event_pb2.Started(attempt=1, provider="p"))
    for word in words:
        await writer.append(event_pb2.Delta(text=word))
    await writer.append(event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=job_pb2.Answer(text="".join(words))))
