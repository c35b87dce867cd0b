"""How many unfinished jobs a tenant may have, and how full the log may be."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.support.waiting import until_it_succeeds

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_gateway.submission.quota import Quota, QuotaStanding
from weft_kit.joblog import JobLog, Leases
from weft_kit.rpc.errors import Exhausted
from weft_kit.rpc.server import Server

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]


@pytest.fixture
def narrow(config: Config) -> Config:
    """Settings of a gateway whose tenants may have ten unfinished jobs, two of them in workers' hands."""
    catalog = Path(config.catalog_file)
    catalog.write_text(f"{catalog.read_text()}\n[default_share]\nmax_unfinished = 10\nmax_in_flight = 2\n")
    return config


@pytest.fixture
async def server(narrow: Config) -> AsyncIterator[Server]:
    async with gateway(narrow, ("serve",)) as server:
        assert server is not None
        yield server


async def fill(caller: Any, ask: Ask, jobs: int = 10) -> list[job_pb2.Job]:
    return list(await asyncio.gather(*(caller.submit(ask(), f"order-{i}") for i in range(jobs))))


async def test_one_job_too_many_is_told_to_wait(caller: Any, ask: Ask, refused: Refused) -> None:
    await fill(caller, ask)
    for call in (caller.submit(ask()), caller.generate(ask()).read()):
        error = await refused(call)
        assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error.reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED
        assert error.metadata == {"limit": "10", "unfinished": "10"}
        assert error.retry_after_s == 1.0


async def test_a_burst_at_one_replica_stops_exactly_at_the_limit(caller: Any, ask: Ask, log: JobLog) -> None:
    results = await caller.submit_all(*(pb.SubmitJobRequest(request=ask()) for _ in range(100)))
    refusals = [result.error for result in results if result.HasField("error")]
    assert len(refusals) == 90
    assert {error.reason for error in refusals} == {error_pb2.ERROR_REASON_QUOTA_EXCEEDED}
    assert (await log.depth(caller.key.tenant)).unfinished == 10


async def test_a_repeat_is_no_job_more(caller: Any, ask: Ask, refused: Refused) -> None:
    jobs = await fill(caller, ask)
    assert await caller.submit(ask(), "order-3") == jobs[3]
    error = await refused(caller.submit(ask("another body"), "order-3"))
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED


async def test_another_tenant_has_its_own_places(server: Server, new_caller: Any, ask: Ask) -> None:
    one, other = await new_caller(server), await new_caller(server)
    await fill(one, ask)
    assert len(await fill(other, ask)) == 10


async def test_another_replica_knows_what_this_one_accepted(
    narrow: Config, server: Server, new_caller: Any, ask: Ask, refused: Refused
) -> None:
    async with gateway(narrow, ("serve",)) as other:
        one = await new_caller(server)
        two = await new_caller(other, tenant=one.key.tenant)
        await fill(one, ask)
        assert (await refused(two.submit(ask()))).reason == error_pb2.ERROR_REASON_QUOTA_EXCEEDED


async def test_places_come_back_as_jobs_end(caller: Any, ask: Ask, log: JobLog, work: Callable[..., Any]) -> None:
    jobs = {job.job_id: job for job in await fill(caller, ask)}
    async with Leases(log, slots=4).leases() as leases:
        lease = await anext(aiter(leases))
        await work(jobs[lease.event.job_id], "answer")
        await lease.ack()
        job = await until_it_succeeds("a place is free", lambda: caller.submit(ask()), grpc.aio.AioRpcError)
    assert job.state == job_pb2.JOB_STATE_QUEUED


async def test_workers_hold_no_more_of_a_tenants_jobs_than_it_may_have(caller: Any, ask: Ask, log: JobLog) -> None:
    await fill(caller, ask, 5)
    async with Leases(log, slots=8).leases() as leases:
        for _ in range(2):
            await anext(aiter(leases))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(aiter(leases))
    depth = await log.depth(caller.key.tenant)
    assert (depth.queued, depth.in_flight) == (3, 2)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (QuotaStanding(0, 0, math.inf), (True, True, False)),
        (QuotaStanding(5, 4, 9.0), (False, False, False)),
        (QuotaStanding(5, 4, 11.0), (True, False, False)),
        (QuotaStanding(5, 5, 0.9), (False, False, False)),
        (QuotaStanding(5, 5, 1.1), (True, False, False)),
        (QuotaStanding(80, 10, 0.9), (False, False, False)),
        (QuotaStanding(80, 10, 1.1), (True, True, False)),
        (QuotaStanding(80, 19, 0.5), (False, False, False)),
        (QuotaStanding(80, 20, 0.5), (False, False, True)),
        (QuotaStanding(200, 0, 1.1), (True, True, True)),
    ],
)
def test_counts_are_asked_for_the_more_often_the_nearer_the_limit(
    standing: QuotaStanding, expected: tuple[bool, bool, bool]
) -> None:
    refuses = standing.refusal(100) is not None
    assert (standing.wants_count(100), standing.needs_count(100), refuses) == expected


async def test_far_from_the_limit_many_jobs_cost_one_count() -> None:
    counts = 0

    async def count(_tenant: str) -> int:
        nonlocal counts
        counts += 1
        return 0

    quota = Quota(count, lambda _tenant: 1_000_000)
    async with quota.counting():
        for _ in range(1_000):
            async with quota.place("acme"):
                pass
    assert counts == 1


async def test_a_job_that_was_not_written_gives_its_place_back() -> None:
    async def count(_tenant: str) -> int:
        return 0

    quota = Quota(count, lambda _tenant: 1)
    async with quota.counting():
        for _ in range(3):
            with pytest.raises(LookupError):
                async with quota.place("acme"):
                    raise LookupError
        async with quota.place("acme"):
            with pytest.raises(Exhausted):
                async with quota.place("acme"):
                    pass


async def test_a_full_log_takes_no_new_jobs_but_the_ends_of_those_it_has(
    log: JobLog, ask: Ask, refused: Refused, new_caller: Any, config: Config, work: Callable[..., Any]
) -> None:
    async with gateway(config, ("serve",)) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask(), "order-1")
        filler = "x" * 900_000
        while await log.fullness() <= 0.9:
            await log.client.jetstream().publish(f"{log.config.prefix}.filler", filler.encode())
        error = await _overloaded(caller, ask(), refused)
        assert error.status is grpc.StatusCode.UNAVAILABLE
        assert error.reason == error_pb2.ERROR_REASON_OVERLOADED
        assert error.retry_after_s == 5.0
        assert await caller.submit(ask(), "order-1") == job
        await work(job, "answer")
        assert (await caller.get(job.job_id)).state == job_pb2.JOB_STATE_SUCCEEDED


async def _overloaded(caller: Any, request: job_pb2.GenerationRequest, refused: Refused) -> Any:
    async with asyncio.timeout(20):
        while True:
            try:
                await caller.submit(request)
            except grpc.aio.AioRpcError:
                return await refused(caller.submit(request))
            await asyncio.sleep(0.1)
