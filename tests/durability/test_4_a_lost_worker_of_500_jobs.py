"""Promise 4 with a full worker: all of its jobs go on within 10 s, not only as many as may be retried in that time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.msg import Msg
from tests.durability.environment import TENANT, Environment
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_client.requests import chat
from weft_kit.joblog import Depth

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.quiet]

JOBS = 500
MOST_S = 10.0


async def test_all_jobs_of_a_worker_with_500_in_flight_go_on_in_time(default_environment: Environment) -> None:
    environment = default_environment
    await environment.mend()
    first, second = environment.routers
    # All jobs begin with the one that will be lost; the other comes when that is gone.
    second.kill()
    async with environment.client() as weft, starts(environment) as begun:
        outcomes = await weft.submit_many([chat("Wait.", model="held")] * JOBS)
        ids = [job.job_id for job in outcomes if isinstance(job, job_pb2.Job)]
        assert len(ids) == JOBS
        try:
            await until("every job is in flight", lambda: have_begun(begun, ids, 1), within_s=60)
            killed_unix_s = time.time()
            first.kill()
            await second.start()
            await until("every job goes on", lambda: have_begun(begun, ids, 2), within_s=60)
        finally:
            await asyncio.gather(*(environment.log.request_cancel(job_id, "seen enough") for job_id in ids))
            await environment.mend()
        await until("no job is left", lambda: is_idle(environment), within_s=60)

    waits_s = [begun[job_id][1] - killed_unix_s for job_id in ids]
    assert max(waits_s) < MOST_S


@asynccontextmanager
async def starts(environment: Environment) -> AsyncIterator[dict[str, list[float]]]:
    """Gathers when attempts began, by job."""
    begun: dict[str, list[float]] = {}

    async def see(message: Msg) -> None:
        event = event_pb2.JobEvent.FromString(message.data)
        begun.setdefault(event.job_id, []).append(event.time.ToNanoseconds() / 1e9)

    subscription = await environment.log.client.subscribe(f"{environment.log.config.live_prefix}.*.*.started", cb=see)
    try:
        yield begun
    finally:
        await subscription.unsubscribe()


async def have_begun(begun: dict[str, list[float]], ids: list[str], times: int) -> bool:
    return all(len(begun.get(job_id, ())) >= times for job_id in ids)


async def is_idle(environment: Environment) -> bool:
    return await environment.log.depth(TENANT) == Depth(0, 0)
