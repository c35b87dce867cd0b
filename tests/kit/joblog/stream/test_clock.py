"""A clock that is not the log's: jobs expire by it, so who has one takes none."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog, Leases, new_job_id
from weft_kit.joblog.stream.clock import ahead_s
from weft_kit.rpc.errors import DependencyDown

ENVELOPE = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default"))


class Clock:
    """A clock that may be off."""

    off_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.off_s


def test_a_slow_answer_is_no_wrong_clock() -> None:
    assert ahead_s(asked=100, log_time=100, answered=100) == 0
    assert ahead_s(asked=100, log_time=101, answered=130) == 0
    assert ahead_s(asked=100, log_time=129, answered=130) == 0
    assert ahead_s(asked=3700, log_time=101, answered=3701) == 3599
    assert ahead_s(asked=100, log_time=3700, answered=101) == -3599


@asynccontextmanager
async def replica(log: JobLog, clock: Clock) -> AsyncIterator[JobLog]:
    found = JobLog(log.client, log.config, clock)
    async with found.watched():
        yield found


@pytest.mark.parametrize(("off_s", "words"), [(3600, "ahead of"), (-3600, "behind")])
async def test_a_gateway_with_a_wrong_clock_accepts_nothing(joblog: JobLog, off_s: float, words: str) -> None:
    clock = Clock()
    clock.off_s = off_s
    async with replica(joblog, clock) as gateway:
        job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
        said = rf"clock is 3,(600\.0|5\d\d\.\d) s {words} nats-server's"
        for call in (gateway.accept(job_id, ENVELOPE), gateway.answer(job_id, event_pb2.Done()), gateway.check_clock()):
            with pytest.raises(DependencyDown, match=said) as refused:
                await call
            assert refused.value.metadata == {"dependency": "clock"}
        assert await joblog.events(job_id) == []


async def test_a_few_seconds_are_nothing(joblog: JobLog) -> None:
    clock = Clock()
    clock.off_s = 4
    async with replica(joblog, clock) as gateway:
        await gateway.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), ENVELOPE)


async def test_a_worker_takes_jobs_only_while_its_clock_is_right(joblog: JobLog) -> None:
    clock = Clock()
    clock.off_s = 3600
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(replica(joblog, clock))
        work = Leases(log, slots=1)
        first, second, third = (new_job_id("acme", job_pb2.PRIORITY_NORMAL) for _ in range(3))
        await joblog.accept(first, ENVELOPE)

        async def take() -> list[str]:
            taken = []
            async with work.leases() as leases:
                async for lease in leases:
                    taken.append(lease.job_id)
                    await lease.ack()
                    await joblog.accept(second, ENVELOPE) if lease.job_id == first else clock_goes_wrong()
            return taken

        def clock_goes_wrong() -> None:
            clock.off_s = 3600

        taking = asyncio.create_task(take())
        done, _ = await asyncio.wait((taking,), timeout=0.5)
        assert not done
        assert (await joblog.depth("acme")).in_flight == 0
        clock.off_s = 0
        async with asyncio.timeout(30):
            assert await taking == [first, second]
        # The job that came while the clock was wrong is another worker's, or ours once it is right.
        await joblog.accept(third, ENVELOPE)
        async with asyncio.timeout(30), Leases(joblog, slots=1).leases() as leases:
            lease = await anext(leases)
            assert lease.job_id == third
            await lease.retry()
        clock.off_s = 0
        async with asyncio.timeout(30), work.leases() as again:
            assert (await anext(again)).job_id == third
