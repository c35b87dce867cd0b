"""Promise 4 with another worker up: it goes on with the jobs of a killed one before the log would hand them out."""

import asyncio
import time

import pytest
from tests.durability.environment import Environment
from tests.durability.test_4_a_lost_worker_of_500_jobs import is_idle
from tests.support.waiting import until

from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_kit.joblog import LogConfig

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.quiet]

JOBS = 60
# Heartbeats come every fifth of the ack wait, so the log itself is no sooner than this.
MOST_S = LogConfig().ack_wait_s * 4 / 5


async def test_a_peer_goes_on_with_the_jobs_of_a_killed_worker_before_the_log_would(
    default_environment: Environment,
) -> None:
    environment = default_environment
    await environment.mend()
    first, _ = environment.routers
    async with environment.client() as weft:
        outcomes = await weft.submit_many([chat("Wait.", model="held")] * JOBS)
        ids = [job.job_id for job in outcomes if isinstance(job, job_pb2.Job)]
        try:
            await until("every job is in flight", lambda: have_attempts(environment, ids, 1), within_s=60)
            lost = [
                job_id for job_id, workers in (await workers_of(environment, ids)).items() if first.address in workers
            ]
            assert 0 < len(lost) < JOBS
            killed_unix_s = time.time()
            first.kill()
            await until("its jobs go on", lambda: have_attempts(environment, lost, 2), within_s=60)
            again_unix_s = [await last_start_unix_s(environment, job_id) for job_id in lost]
        finally:
            await asyncio.gather(*(environment.log.request_cancel(job_id, "seen enough") for job_id in ids))
            await environment.mend()
        await until("no job is left", lambda: is_idle(environment), within_s=60)
    assert max(again_unix_s) - killed_unix_s < MOST_S


async def workers_of(environment: Environment, ids: list[str]) -> dict[str, list[str]]:
    """Returns who began each job's attempts, in order."""
    found = {}
    for job_id in ids:
        events = await environment.log.events(job_id)
        found[job_id] = [event.started.worker for event in events if event.HasField("started")]
    return found


async def have_attempts(environment: Environment, ids: list[str], attempts: int) -> bool:
    return all(len(workers) >= attempts for workers in (await workers_of(environment, ids)).values())


async def last_start_unix_s(environment: Environment, job_id: str) -> float:
    started = await environment.log.last(job_id, "started")
    assert started is not None
    return started.time.ToNanoseconds() / 1e9
