"""The log's rules, each against a real server: accepting, fencing, following, cancelling."""

import asyncio
from dataclasses import replace

import pytest
from tests.kit.joblog.jobs import ENVELOPE, fresh_id, run_job

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import (
    AlreadyAccepted,
    Fenced,
    JobGone,
    JobLog,
    LogConfig,
    TokenWriter,
    belongs_to,
    connect,
    kind_of,
    new_job_id,
    project,
    text_hash,
)
from weft_kit.joblog.reader import Feed, Follower
from weft_kit.joblog.stream.stream import StreamMismatch, ensure_stream

SUCCEEDED = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=job_pb2.Answer(text="one two"))


def test_an_id_belongs_to_its_tenant_alone() -> None:
    job_id = fresh_id()
    assert belongs_to(job_id, "acme")
    assert not belongs_to(job_id, "other")
    assert not any(belongs_to(odd, "acme") for odd in ("", "jobs.>", job_id + "x", job_id.upper(), "n*-*"))


def test_a_request_id_always_gives_the_same_key() -> None:
    assert fresh_id("r1") == fresh_id("r1")
    assert fresh_id("r1") != fresh_id("r2")
    assert fresh_id() != fresh_id()
    assert new_job_id("ab", 0, "c").partition("-")[2] != new_job_id("a", 0, "bc").partition("-")[2]


def test_settings_that_would_break_a_running_job_are_refused() -> None:
    with pytest.raises(ValueError, match="delta_ttl_s"):
        LogConfig(delta_ttl_s=1)


async def test_a_second_accept_meets_the_first_job(joblog: JobLog) -> None:
    first = await joblog.accept(fresh_id("r"), ENVELOPE)
    with pytest.raises(AlreadyAccepted) as met:
        await joblog.accept(fresh_id("r"), ENVELOPE)
    assert met.value.first == first


async def test_a_repeat_with_another_priority_is_still_a_repeat(joblog: JobLog) -> None:
    first = await joblog.accept(fresh_id("r"), ENVELOPE)
    with pytest.raises(AlreadyAccepted) as met:
        await joblog.accept(new_job_id("acme", job_pb2.PRIORITY_HIGH, "r"), ENVELOPE)
    assert met.value.first.job_id == first.job_id


async def test_fifty_concurrent_accepts_make_one_job(joblog: JobLog) -> None:
    outcomes = await asyncio.gather(
        *(joblog.accept(fresh_id("same"), ENVELOPE) for _ in range(50)), return_exceptions=True
    )
    accepted = [o for o in outcomes if isinstance(o, event_pb2.JobEvent)]
    refused = [o for o in outcomes if isinstance(o, AlreadyAccepted)]
    assert (len(accepted), len(refused)) == (1, 49)
    assert {o.first.sequence for o in refused} == {accepted[0].sequence}


async def test_a_zombie_cannot_write_after_another_attempt_started(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    zombie = joblog.writer(job.job_id, job.sequence)
    await zombie.append(event_pb2.Started(attempt=1))
    successor = joblog.writer(job.job_id, zombie.last_sequence)
    await successor.append(event_pb2.Started(attempt=2))
    with pytest.raises(Fenced) as fenced:
        await zombie.append(event_pb2.Delta(text="ghost"))
    assert fenced.value.last is not None
    assert fenced.value.last.started.attempt == 2
    with pytest.raises(Fenced):
        await zombie.append(SUCCEEDED)
    assert [kind_of(e) for e in await joblog.events(job.job_id)] == ["accepted", "started", "started"]


async def test_a_write_that_is_cancelled_is_finished_and_known(joblog: JobLog) -> None:
    job_id = fresh_id()
    first = await joblog.accept(job_id, ENVELOPE)
    writer = joblog.writer(job_id, first.sequence)
    for _ in range(20):
        writing = asyncio.create_task(writer.append(event_pb2.Delta(text="x")))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait((writing,))
        assert writing.cancelled()
        last = await joblog.last(job_id)
        assert last is not None
        assert writer.last_sequence == last.sequence


async def test_a_reader_that_was_there_first_needs_no_replay(joblog: JobLog) -> None:
    job_id = fresh_id()
    async with joblog.follow(job_id) as events:
        job = await joblog.accept(job_id, ENVELOPE)
        await run_job(joblog, job_id, job.sequence, "one", " two")
        seen = [event async for event in events]
    assert [kind_of(e) for e in seen] == ["accepted", "started", "delta", "delta", "done"]
    assert seen == await joblog.events(job_id)


async def test_a_late_reader_gets_the_same_events(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, job.job_id, job.sequence, "one", " two")
    async with joblog.follow(job.job_id) as events:
        seen = [event async for event in events]
    assert project(job.job_id, seen).answer.text == "one two"
    assert seen == await joblog.events(job.job_id)


async def test_readers_cut_anywhere_continue_without_gap_or_repeat(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    words = [f"{n} " for n in range(40)]

    async def read_in_pieces(cut: int) -> list[int]:
        sequences: list[int] = []
        while True:
            async with joblog.follow(job.job_id, sequences[-1] if sequences else 0) as events:
                taken = 0
                async for event in events:
                    sequences.append(event.sequence)
                    taken += 1
                    if event.HasField("done"):
                        return sequences
                    if taken == cut:
                        break

    readers = [asyncio.create_task(read_in_pieces(cut)) for cut in (1, 2, 3, 7, 100)]
    await run_job(joblog, job.job_id, job.sequence, *words)
    stored = [event.sequence for event in await joblog.events(job.job_id)]
    for reader in readers:
        assert await reader == stored


async def test_a_live_message_lost_on_the_way_is_fetched_from_the_store(joblog: JobLog) -> None:
    job_id = fresh_id()
    feed = Feed()
    lost = 0

    async def lossy(message) -> None:
        nonlocal lost
        if message.subject.endswith(".delta"):
            lost += 1
        else:
            await feed.put(message)

    subjects = f"{job_id.replace('-', '.')}.>"
    await joblog.client.subscribe(f"{joblog.config.live_prefix}.{subjects}", cb=lossy)
    follower = Follower(joblog._wire, f"{joblog.config.prefix}.{subjects}", feed, 0)
    job = await joblog.accept(job_id, ENVELOPE)
    await run_job(joblog, job_id, job.sequence, "one", " two")
    seen = [event async for event in follower.events()]
    assert lost == 2
    assert seen == await joblog.events(job_id)


async def test_following_a_job_that_never_was_says_so(joblog: JobLog) -> None:
    async with joblog.follow(fresh_id()) as events:
        with pytest.raises(JobGone):
            await anext(events)


async def test_a_reader_that_has_seen_done_gets_nothing_more(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, job.job_id, job.sequence, "one")
    last = (await joblog.events(job.job_id))[-1].sequence
    async with joblog.follow(job.job_id, last) as events:
        assert [event async for event in events] == []


async def test_once_deltas_expired_a_reader_gets_done_alone(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, job.job_id, job.sequence, "one", " two")
    stream, subject = joblog.config.stream, f"{joblog.config.prefix}.*.*.delta"
    await joblog.client.jetstream().purge_stream(stream, subject=subject)
    async with joblog.follow(job.job_id, job.sequence + 1) as events:
        seen = [event async for event in events]
    assert [kind_of(e) for e in seen] == ["done"]
    assert seen[0].done.answer.text == "one two"


async def test_a_reader_who_comes_after_deltas_of_a_running_job_expired_waits_for_done(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    writer = joblog.writer(job.job_id, job.sequence)
    await writer.append(event_pb2.Started(attempt=1))
    await writer.append(event_pb2.Delta(text="one"))
    kept = await writer.append(event_pb2.Delta(text=" two"))
    stream, subject = joblog.config.stream, f"{joblog.config.prefix}.*.*.delta"
    await joblog.client.jetstream().purge_stream(stream, subject=subject, seq=kept)
    async with joblog.follow(job.job_id) as events:
        seen = [await anext(events), await anext(events)]
        await writer.append(event_pb2.Delta(text=" three"))
        done = await writer.commit(event_pb2.Done(answer=job_pb2.Answer(text="one two three")))
        async with asyncio.timeout(20):
            seen += [event async for event in events]
    assert [kind_of(e) for e in seen] == ["accepted", "started", "done"]
    assert seen[-1] == done


async def test_an_answered_job_is_a_lone_done(joblog: JobLog) -> None:
    done = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=job_pb2.Answer(text="cached"), accepted=ENVELOPE)
    event = await joblog.answer(fresh_id("r"), done)
    async with joblog.follow(event.job_id) as events:
        assert [e async for e in events] == [event]
    with pytest.raises(AlreadyAccepted):
        await joblog.accept(fresh_id("r"), ENVELOPE)
    job = project(event.job_id, [event])
    assert (job.state, job.model, job.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "default", "cached")


async def test_cancelling_a_queued_job_ends_it_and_bars_the_worker(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    last = await joblog.request_cancel(job.job_id, "changed my mind")
    assert last.done.state == job_pb2.JOB_STATE_CANCELLED
    with pytest.raises(Fenced) as fenced:
        await joblog.writer(job.job_id, job.sequence).append(event_pb2.Started(attempt=1))
    assert fenced.value.last == last
    assert await joblog.request_cancel(job.job_id, "again") == last


async def test_cancelling_a_running_job_fences_and_signals_its_worker(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    writer = joblog.writer(job.job_id, job.sequence)
    async with joblog.cancel_signals() as signals:
        await writer.append(event_pb2.Started(attempt=1))
        last = await joblog.request_cancel(job.job_id, "stop")
        assert last.HasField("cancel_requested")
        async with asyncio.timeout(10):
            assert await anext(signals) == job.job_id
    with pytest.raises(Fenced) as fenced:
        await writer.append(event_pb2.Delta(text="late"))
    assert fenced.value.last == last


async def test_cancelling_keeps_up_with_a_fast_writer(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    writer = joblog.writer(job.job_id, job.sequence)
    await writer.append(event_pb2.Started(attempt=1))

    async def write_until_fenced() -> Fenced:
        while True:
            try:
                await writer.append(event_pb2.Delta(text="x"))
            except Fenced as fenced:
                return fenced
            await asyncio.sleep(joblog.config.flush_interval_s)

    writing = asyncio.create_task(write_until_fenced())
    last = await joblog.request_cancel(job.job_id, "stop")
    assert (await writing).last == last


async def test_tokens_gather_while_a_write_is_under_way(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    writer = joblog.writer(job.job_id, job.sequence)
    async with TokenWriter(writer, joblog.config.flush_interval_s) as tokens:
        for n in range(200):
            tokens.add(event_pb2.Delta(text=f"{n} ", token_count=1))
            await asyncio.sleep(0)
        await tokens.finish()
    deltas = [e.delta for e in await joblog.events(job.job_id) if e.HasField("delta")]
    assert "".join(d.text for d in deltas) == "".join(f"{n} " for n in range(200))
    assert sum(d.token_count for d in deltas) == 200
    assert len(deltas) < 20


async def test_a_fenced_token_writer_tells_whoever_adds(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    zombie = joblog.writer(job.job_id, job.sequence)
    await joblog.writer(job.job_id, job.sequence).append(event_pb2.Started(attempt=2))
    async with TokenWriter(zombie, 0) as tokens:
        tokens.add(event_pb2.Delta(text="ghost"))
        with pytest.raises(Fenced):
            await tokens.finish()
        with pytest.raises(Fenced):
            tokens.add(event_pb2.Delta(text="more"))


async def test_a_rewind_withdraws_text_from_the_record(joblog: JobLog) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    writer = joblog.writer(job.job_id, job.sequence)
    await writer.append(event_pb2.Started(attempt=1))
    kept = await writer.append(event_pb2.Delta(text="kept "))
    await writer.append(event_pb2.Delta(text="withdrawn"))
    await writer.append(event_pb2.Rewound(to_sequence=kept))
    await writer.append(event_pb2.Delta(text="new"))
    assert project(job.job_id, await joblog.events(job.job_id)).answer.text == "kept new"


async def test_the_stream_is_never_shrunk_in_silence(joblog: JobLog) -> None:
    await joblog.ensure()
    smaller = replace(joblog.config, retention_s=joblog.config.retention_s / 2)
    with pytest.raises(StreamMismatch, match="max_age"):
        await ensure_stream(joblog.client.jetstream(), smaller)


async def test_text_hashes_are_of_utf8() -> None:
    assert text_hash("é") == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"


async def test_two_connections_see_one_log(joblog: JobLog, nats_url: str) -> None:
    job = await joblog.accept(fresh_id(), ENVELOPE)
    async with connect(nats_url, "other replica") as client, JobLog(client, joblog.config).follow(job.job_id) as events:
        await run_job(joblog, job.job_id, job.sequence, "one")
        assert [kind_of(e) async for e in events] == ["accepted", "started", "delta", "done"]


async def test_the_jobs_of_a_tenant_are_found_in_all_its_lanes(joblog: JobLog) -> None:
    urgent = await joblog.accept(new_job_id("acme", job_pb2.PRIORITY_HIGH), ENVELOPE)
    hit = await joblog.answer(fresh_id(), event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, accepted=ENVELOPE))
    over = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, over.job_id, over.sequence, "a")
    await joblog.accept(new_job_id("other", 0), event_pb2.Accepted(tenant="other"))
    # The tag of a lane is short: another tenant's may be the same.
    await joblog.accept(fresh_id(), event_pb2.Accepted(tenant="other"))
    erased = await joblog.accept(fresh_id(), ENVELOPE)
    await run_job(joblog, erased.job_id, erased.sequence, "a")
    await joblog.erase(erased.job_id)
    found = [job_id async for job_id in joblog.jobs("acme")]
    assert sorted(found) == sorted([urgent.job_id, hit.job_id, over.job_id])
