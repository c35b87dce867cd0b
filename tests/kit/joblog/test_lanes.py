"""Lanes: each tenant waits in its own queue, and workers go from one to the next."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import ConsumerConfig
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import JobLog, Lease, Leases, LogConfig, connect, lane_of, new_job_id, tenant_tag
from weft_kit.joblog.lanes import consumer_of
from weft_kit.rpc.errors import DependencyDown

NORMAL = job_pb2.PRIORITY_NORMAL
IN_FLIGHT = 256


async def accept(
    log: JobLog, tenant: str, count: int = 1, priority: job_pb2.Priority.ValueType = NORMAL, limit: int = 10_000
) -> list[str]:
    envelope = event_pb2.Accepted(tenant=tenant, request=job_pb2.GenerationRequest(model="default"))
    ids = [new_job_id(tenant, priority) for _ in range(count)]
    await log.accept(ids[0], envelope, limit)
    places = asyncio.Semaphore(IN_FLIGHT)

    async def one(job_id: str) -> None:
        async with places:
            await log.accept(job_id, envelope, limit)

    await asyncio.gather(*map(one, ids[1:]))
    return ids


def tenant_of(lease: Lease) -> str:
    return lease.event.accepted.tenant


async def test_one_job_is_not_delayed_by_ten_thousand_of_another_tenant(joblog: JobLog) -> None:
    await accept(joblog, "flood", 10_000)
    async with Leases(joblog, slots=4).leases() as leases, asyncio.timeout(20):
        running = [await anext(leases) for _ in range(4)]
        await accept(joblog, "single")
        await asyncio.sleep(0.02)  # a job takes longer than the way to a lane
        begun: list[str] = []
        while "single" not in begun:
            await running.pop(0).ack()
            running.append(await anext(leases))
            begun.append(tenant_of(running[-1]))
    assert len(begun) <= 3, f"{len(begun) - 1} jobs of the flood came first"


@pytest.mark.parametrize("slots", [1, 2, 8])
async def test_tenants_share_a_worker_by_their_weights(joblog: JobLog, slots: int) -> None:
    await accept(joblog, "large", 300)
    await accept(joblog, "small", 300)
    heavy = tenant_tag("large")
    work = Leases(joblog, slots=slots, weight=lambda tenant: 3.0 if tenant == heavy else 1.0)
    served: Counter[str] = Counter()
    async with work.leases() as leases, asyncio.timeout(20):
        for _ in range(200 // slots):
            begun = [await anext(leases) for _ in range(slots)]
            served.update(map(tenant_of, begun))
            await asyncio.sleep(0.01)  # no job is shorter than the way to its lane's next one
            for lease in begun:
                await lease.ack()
    assert 2.4 < served["large"] / served["small"] < 3.6


async def test_a_tenants_priorities_go_before_each_other(joblog: JobLog) -> None:
    for priority in (job_pb2.PRIORITY_LOW, NORMAL, job_pb2.PRIORITY_HIGH):
        await accept(joblog, "acme", 3, priority)
    order = ""
    async with Leases(joblog, slots=1).leases() as leases, asyncio.timeout(20):
        held = await anext(leases)  # whichever came first: by the next one all lanes are known
        await until_known(joblog, 3)
        for _ in range(8):
            await held.ack()
            held = await anext(leases)
            order += held.job_id[0]
            await asyncio.sleep(0.02)  # the next of this lane is a round trip away
        await held.ack()
    assert order == "".join(sorted(order, key="hnl".index))


@pytest.mark.parametrize(("priority", "other"), [(job_pb2.PRIORITY_HIGH, NORMAL), (NORMAL, job_pb2.PRIORITY_LOW)])
async def test_between_tenants_priority_counts_for_nothing(
    joblog: JobLog, priority: job_pb2.Priority.ValueType, other: job_pb2.Priority.ValueType
) -> None:
    await accept(joblog, "pushing", 60, priority)
    await accept(joblog, "patient", 60, other)
    assert 0.4 < await share_of("patient", Leases(joblog, slots=1), 40) < 0.6


async def test_a_tenant_gains_no_share_by_using_every_priority(joblog: JobLog) -> None:
    for priority in (job_pb2.PRIORITY_LOW, NORMAL, job_pb2.PRIORITY_HIGH):
        await accept(joblog, "many", 40, priority)
    await accept(joblog, "one", 40)
    assert 0.4 < await share_of("one", Leases(joblog, slots=1), 40) < 0.6


async def test_an_expedited_tenants_urgent_jobs_go_before_everybodys(joblog: JobLog) -> None:
    await accept(joblog, "patient", 30)
    await accept(joblog, "expedited", 20, job_pb2.PRIORITY_HIGH)
    allowed = tenant_tag("expedited")
    work = Leases(joblog, slots=1, is_expedited=lambda tenant: tenant == allowed)
    assert await share_of("expedited", work, 15) == 1
    await accept(joblog, "expedited", 20)
    assert await share_of("patient", work, 15) > 0.4


async def share_of(tenant: str, work: Leases, jobs: int) -> float:
    """Returns a tenant's share of the next jobs, not counting those that came before all lanes were known."""
    served: list[str] = []
    async with work.leases() as leases, asyncio.timeout(20):
        for _ in range(jobs + 5):
            lease = await anext(leases)
            served.append(tenant_of(lease))
            await asyncio.sleep(0.02)  # the next of this lane is a round trip away
            await lease.ack()
    return served[5:].count(tenant) / jobs


async def until_known(log: JobLog, lanes: int) -> None:
    async def known() -> bool:
        return len(await log.lanes.names()) == lanes

    await until("all lanes are known", known)
    await asyncio.sleep(0.1)


async def test_a_tenant_has_no_more_jobs_in_workers_hands_than_its_limit(joblog: JobLog) -> None:
    await accept(joblog, "acme", 10, limit=3)
    async with Leases(joblog, slots=8).leases() as leases:
        held = [await asyncio.wait_for(anext(leases), 20) for _ in range(3)]
        fourth = asyncio.ensure_future(anext(leases))
        done, _ = await asyncio.wait((fourth,), timeout=0.3)
        assert not done
        assert (await joblog.depth("acme")).in_flight == 3
        await held[0].ack()
        await asyncio.wait_for(fourth, 20)


async def test_the_depth_of_a_tenants_lanes_counts_all_of_them_and_nobody_elses(joblog: JobLog) -> None:
    await accept(joblog, "acme", 5)
    await accept(joblog, "acme", 2, job_pb2.PRIORITY_HIGH)
    await accept(joblog, "other", 9)
    assert (await joblog.depth("acme")).queued == 7
    async with Leases(joblog, slots=64).leases() as leases:
        for _ in range(16):
            await asyncio.wait_for(anext(leases), 20)
        depth = await joblog.depth("acme")
    assert (depth.queued, depth.in_flight, depth.unfinished) == (0, 7, 7)
    assert (await joblog.depth("nobody")).unfinished == 0


async def test_a_worker_hears_at_once_of_a_lane_that_opens(joblog: JobLog) -> None:
    async with Leases(joblog, slots=2).leases() as leases:
        coming = asyncio.ensure_future(anext(leases))
        await asyncio.sleep(0.1)
        [job_id] = await accept(joblog, "newcomer")
        assert (await asyncio.wait_for(coming, 20)).job_id == job_id


async def test_a_lane_that_was_removed_comes_back_with_its_jobs(joblog: JobLog) -> None:
    [first] = await accept(joblog, "acme")
    await joblog.client.jetstream().delete_consumer(joblog.config.stream, consumer_of(lane_of("acme", NORMAL)))
    other_gateway = JobLog(joblog.client, joblog.config)
    [second] = await accept(other_gateway, "acme")
    async with Leases(joblog, slots=2).leases() as leases, asyncio.timeout(20):
        assert {(await anext(leases)).job_id for _ in range(2)} == {first, second}


async def test_a_changed_limit_reaches_a_lane_that_is_open(joblog: JobLog) -> None:
    await accept(joblog, "acme", limit=5)
    await accept(joblog, "acme", limit=7)
    info = await joblog.client.jetstream().consumer_info(joblog.config.stream, consumer_of(lane_of("acme", NORMAL)))
    assert info.config.max_ack_pending == 7


async def test_jobs_held_for_a_slot_stay_the_workers(joblog: JobLog) -> None:
    impatient = JobLog(joblog.client, replace(joblog.config, ack_wait_s=1))
    await accept(impatient, "acme", 2)
    async with Leases(impatient, slots=1).leases() as leases:
        first = await anext(leases)
        with first.heartbeats():
            await asyncio.sleep(2.5)
            await first.ack()
        second = await asyncio.wait_for(anext(leases), 20)
    assert second.delivery == 1


async def test_work_goes_on_after_the_connection_was_lost(joblog: JobLog, nats_url: str) -> None:
    # What is sent before the server knows that the connection is gone comes again after ack_wait_s: the ack may, too.
    gateways = JobLog(joblog.client, replace(joblog.config, ack_wait_s=1))
    [first] = await accept(gateways, "acme")
    async with connect(nats_url, "worker") as client:
        log = JobLog(client, gateways.config)
        async with Leases(log, slots=2).leases() as leases, asyncio.timeout(40):
            await (await anext(leases)).ack()
            client._transport.close()  # as when a server dies: what the connection had asked for is forgotten
            [second] = await accept(gateways, "acme")
            while (lease := await anext(leases)).job_id != second:
                assert lease.job_id == first
                await lease.ack()


async def test_other_readers_consumers_are_no_lanes(joblog: JobLog) -> None:
    await joblog.client.jetstream().add_consumer(joblog.config.stream, ConsumerConfig(durable_name="recorder"))
    await accept(joblog, "acme")
    assert await joblog.lanes.names() == [lane_of("acme", NORMAL)]


async def test_the_log_says_how_full_it_is(joblog: JobLog) -> None:
    before = await joblog.fullness()
    await accept(joblog, "acme", 100)
    assert before < await joblog.fullness() < 0.01


class _FewConsumers(NatsServer):
    """A nats-server that allows a stream two consumers."""

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"jetstream": {"store_dir": ".", "limits": {"default_max_consumers": 2}}}


async def test_a_lane_beyond_the_servers_limit_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with serving(lambda port: _FewConsumers(tmp_path, port)) as server:
        async with connect(server.url, "test") as client:
            log = JobLog(client, LogConfig())
            await log.ensure()
            with pytest.raises(DependencyDown, match="raise default_max_consumers in its jetstream limits"):
                await accept(log, "one")
                await accept(log, "two")
                await accept(log, "three")
