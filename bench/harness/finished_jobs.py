"""Finished jobs, written into the log without a mesh: accepted, leased, started, answered and acknowledged."""

import asyncio
import hashlib
from collections.abc import Sequence

from bench.harness.client import request
from bench.harness.environment import TENANT, TOKENS

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, Lease, Leases, new_job_id

_AT_ONCE = 256
_ANSWER = (event_pb2.Delta(text=" ".join(["token"] * TOKENS), token_count=TOKENS),)


async def finish_jobs(log: JobLog, jobs: int, answer: Sequence[event_pb2.Delta] = _ANSWER) -> list[str]:
    """Writes finished jobs into the tenant's lane, like gateway and worker, many at a time; no worker may run.

    Each has the same answer, an event for each of its deltas. Returns the ids of the jobs.
    """
    room = asyncio.Semaphore(_AT_ONCE)
    async with Leases(log, slots=_AT_ONCE).leases() as leases, asyncio.TaskGroup() as group:
        group.create_task(_accept(log, jobs, room, group))
        finished = [group.create_task(_finish(log, await anext(leases), room, answer)) for _ in range(jobs)]
    return [each.result() for each in finished]


async def _accept(log: JobLog, jobs: int, room: asyncio.Semaphore, group: asyncio.TaskGroup) -> None:
    for _ in range(jobs):
        await room.acquire()
        asked = request("default")
        accepted = event_pb2.Accepted(tenant=TENANT, request=asked, request_hash=_hash(asked.SerializeToString()))
        group.create_task(log.accept(new_job_id(TENANT, job_pb2.PRIORITY_NORMAL), accepted))


async def _finish(log: JobLog, lease: Lease, room: asyncio.Semaphore, deltas: Sequence[event_pb2.Delta]) -> str:
    writer = log.writer(lease.job_id, lease.event.sequence)
    await writer.append(event_pb2.Started(attempt=1, provider="mock", provider_model="mock"))
    for delta in deltas:
        await writer.append(delta)
    text = "".join(delta.text for delta in deltas)
    answer = job_pb2.Answer(text=text, provider="mock", provider_model="mock")
    state = job_pb2.JOB_STATE_SUCCEEDED
    await writer.append(event_pb2.Done(state=state, answer=answer, text_hash=_hash(text.encode())))
    await lease.ack()
    room.release()
    return lease.job_id


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
