"""Leases and batches: who gets a job, when it comes again, and what a reader of batches may rely on."""

import asyncio
from dataclasses import replace

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import Batches, JobLog, Lease, Leases, kind_of, new_job_id

ENVELOPE = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default"))


async def accept(log: JobLog, count: int) -> set[str]:
    ids = [new_job_id("acme", job_pb2.PRIORITY_NORMAL) for _ in range(count)]
    await asyncio.gather(*(log.accept(job_id, ENVELOPE) for job_id in ids))
    return set(ids)


def impatient(log: JobLog) -> JobLog:
    return JobLog(log.client, replace(log.config, ack_wait_s=1))


async def test_every_job_is_leased_once(joblog: JobLog) -> None:
    ids = await accept(joblog, 100)
    leased: list[str] = []
    async with Leases(joblog, slots=8).leases() as leases:
        async for lease in leases:
            leased.append(lease.job_id)
            await lease.ack()
            if len(leased) == 100:
                break
    assert sorted(leased) == sorted(ids)


async def test_a_worker_never_holds_more_jobs_than_it_has_slots(joblog: JobLog) -> None:
    await accept(joblog, 10)
    async with Leases(joblog, slots=3).leases() as leases:
        held = [await anext(leases) for _ in range(3)]
        fourth = asyncio.ensure_future(anext(leases))
        done, _ = await asyncio.wait((fourth,), timeout=0.2)
        assert not done
        await held[0].ack()
        assert (await asyncio.wait_for(fourth, 5)).job_id not in {lease.job_id for lease in held}


async def test_a_lease_carries_the_sequence_its_writer_needs(joblog: JobLog) -> None:
    job = await joblog.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), ENVELOPE)
    async with Leases(joblog, slots=1).leases() as leases:
        lease = await anext(leases)
        assert (lease.event.sequence, lease.delivery) == (job.sequence, 1)
        await joblog.writer(lease.job_id, lease.event.sequence).append(event_pb2.Started(attempt=1))


async def test_a_job_whose_worker_fell_silent_comes_again(joblog: JobLog) -> None:
    await accept(impatient(joblog), 1)
    async with Leases(impatient(joblog), slots=2).leases() as leases:
        first = await anext(leases)
        again = await asyncio.wait_for(anext(leases), 20)
        assert (again.job_id, again.delivery) == (first.job_id, 2)


async def test_heartbeats_keep_a_lease_beyond_the_ack_wait(joblog: JobLog) -> None:
    await accept(impatient(joblog), 1)
    async with Leases(impatient(joblog), slots=2).leases() as leases:
        lease = await anext(leases)
        again = asyncio.ensure_future(anext(leases))
        with lease.heartbeats():
            done, _ = await asyncio.wait((again,), timeout=2.5)
            assert not done
        assert (await asyncio.wait_for(again, 20)).delivery == 2


async def test_a_job_given_back_comes_again_at_once(joblog: JobLog) -> None:
    await accept(joblog, 1)
    async with Leases(joblog, slots=1).leases() as leases:
        await (await anext(leases)).retry()
        assert (await asyncio.wait_for(anext(leases), 5)).delivery == 2


async def test_two_workers_share_the_queue(joblog: JobLog) -> None:
    ids = await accept(joblog, 40)
    taken: list[Lease] = []

    async def work() -> None:
        async with Leases(joblog, slots=2).leases() as leases:
            async for lease in leases:
                taken.append(lease)
                await lease.ack()
                if len(taken) == 40:
                    finished.set()

    finished = asyncio.Event()
    workers = [asyncio.create_task(work()) for _ in range(2)]
    await asyncio.wait_for(finished.wait(), 20)
    for worker in workers:
        worker.cancel()
    assert {lease.job_id for lease in taken} == ids


async def test_what_a_leaving_worker_had_not_begun_goes_to_another_at_once(joblog: JobLog) -> None:
    await accept(joblog, 4)
    async with Leases(joblog, slots=4).leases() as leases:
        await (await anext(leases)).ack()
    async with Leases(joblog, slots=4).leases() as leases:
        async with asyncio.timeout(5):
            for _ in range(3):
                await (await anext(leases)).ack()


async def test_what_is_no_job_is_taken_out_of_its_lane_and_holds_up_no_other(joblog: JobLog) -> None:
    (first,) = await accept(joblog, 1)
    subject = f"{joblog.config.prefix}.{first.replace('-', '.')[:-4]}bad.accepted"
    for n in range(5):
        await joblog.client.jetstream().publish(subject.replace("bad", f"bad{n}"), b"\xff")
    (last,) = await accept(joblog, 1)
    async with asyncio.timeout(20), Leases(joblog, slots=2).leases() as leases:
        for _ in range(2):
            lease = await anext(leases)
            await lease.ack()
        assert lease.job_id == last
        while (await joblog.depth("acme")).unfinished:  # noqa: ASYNC110  # a count tells nobody
            await asyncio.sleep(0.02)


async def test_what_is_no_job_does_not_keep_a_worker_from_leaving(joblog: JobLog) -> None:
    (job_id,) = await accept(joblog, 1)
    async with asyncio.timeout(20):
        async with Leases(joblog, slots=1).leases() as leases:
            lease = await anext(leases)
            lane = job_id.partition("-")[0]
            await joblog.client.jetstream().publish(f"{joblog.config.prefix}.{lane}.bad.accepted", b"\xff")
            while (await joblog.depth("acme")).in_flight < 2:  # noqa: ASYNC110  # a count tells nobody
                await asyncio.sleep(0.02)
            await lease.ack()


async def test_a_batch_tells_events_from_what_is_none(joblog: JobLog) -> None:
    (job_id,) = await accept(joblog, 1)
    other = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
    ack = await joblog.client.jetstream().publish(f"{joblog.config.prefix}.{other.replace('-', '.')}.accepted", b"\xff")
    batch = await anext(aiter(Batches(joblog, consumer="recorder", kinds=("accepted",))))
    assert [event.job_id for event in batch.events] == [job_id]
    assert batch.unreadable == [(other, "accepted", ack.seq, b"\xff")]


async def test_a_batch_that_is_kept_does_not_come_again(joblog: JobLog) -> None:
    await accept(impatient(joblog), 1)
    batches = aiter(Batches(impatient(joblog), consumer="recorder", kinds=("accepted",)))
    batch = await anext(batches)
    again = asyncio.ensure_future(anext(batches))
    async with batch.kept():
        done, _ = await asyncio.wait((again,), timeout=2.5)
        assert not done
    assert (await asyncio.wait_for(again, 20)).deliveries == [2]


async def test_jobs_of_a_tenant_are_found_beside_what_is_none(joblog: JobLog) -> None:
    ids = await accept(joblog, 2)
    lane = min(ids).partition("-")[0]
    await joblog.client.jetstream().publish(f"{joblog.config.prefix}.{lane}.bad.accepted", b"\xff")
    ids |= await accept(joblog, 1)
    assert {job_id async for job_id in joblog.jobs("acme")} == ids


async def test_a_cancel_signal_that_cannot_be_read_does_not_cover_the_next(joblog: JobLog) -> None:
    job = await joblog.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), ENVELOPE)
    await joblog.writer(job.job_id, job.sequence).append(event_pb2.Started(attempt=1))
    async with joblog.cancel_signals() as signals:
        await joblog.client.publish(f"{joblog.config.live_prefix}.lane.bad.cancel_requested", b"\xff")
        await joblog.request_cancel(job.job_id, "")
        assert await asyncio.wait_for(anext(signals), 20) == job.job_id


async def test_a_batch_gathers_and_an_unacknowledged_one_comes_again(joblog: JobLog) -> None:
    ids = await accept(joblog, 20)
    batches = aiter(Batches(impatient(joblog), consumer="recorder", kinds=("accepted", "done")))
    first = await anext(batches)
    assert {event.job_id for event in first.events} == ids
    again = await asyncio.wait_for(anext(batches), 20)
    assert {event.job_id for event in again.events} <= ids
    assert set(again.deliveries) == {2}
    await again.ack()


async def test_a_batch_reader_sees_only_the_kinds_it_asked_for(joblog: JobLog) -> None:
    job = await joblog.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), ENVELOPE)
    writer = joblog.writer(job.job_id, job.sequence)
    await writer.append(event_pb2.Started(attempt=1))
    await writer.append(event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED))
    batch = await anext(aiter(Batches(joblog, consumer="recorder", kinds=("accepted", "done"))))
    assert [kind_of(event) for event in batch.events] == ["accepted", "done"]
    assert [event.sequence for event in batch.events] == [job.sequence, writer.last_sequence]
    await batch.ack()
