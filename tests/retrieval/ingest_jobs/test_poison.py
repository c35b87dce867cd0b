"""A document or a job that nobody can work on ends alone, and holds up nobody else."""

import sys
from pathlib import Path

import psycopg
from tests.retrieval.document_processes.test_slow_documents import SLOW, cut_short
from tests.retrieval.ingest_jobs.environment import INSIDE
from tests.retrieval.ingest_jobs.ingest_client import document, notes
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft_kit.joblog import JobLog, connect, new_job_id
from weft_retrieval.server import retrieval

PROGRAM = Path(sys.executable).read_bytes()[: 1 << 20]


async def test_a_document_that_cannot_be_stored_is_named_with_what_to_do_and_the_rest_are_stored(environment, ingest):
    bad = [
        document("broken.pdf", b"%PDF-1.7\nnot really", content_type=4),
        document("empty.txt", b""),
        document("wordless.md", "\n\n"),
        document("odd", "Fine text.", metadata={"no spaces allowed": 1}),
    ]
    job = await ingest.done(await ingest.begin([*bad[:2], *notes(10), *bad[2:]]))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert (job.progress.created, job.progress.failed) == (10, 4)
    named = {failure.document_id: failure.error for failure in job.progress.failures}
    assert set(named) == {"broken.pdf", "empty.txt", "wordless.md", "odd"}
    assert "a key must be" in named["odd"].message
    assert (await environment.client.get()).document_count == 10
    told = [failure.document_id for event in await ingest.events(job.job_id) for failure in event.progress.failures]
    assert sorted(told) == sorted(named)


async def test_a_program_named_as_a_page_fails_alone_and_by_what_it_is(environment, ingest):
    job = await ingest.done(await ingest.begin([document("ls.html", PROGRAM), *notes(3)]))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    [failed] = job.progress.failures
    assert failed.document_id == "ls.html"
    assert failed.error.message.endswith("program, not HTML; leave it out, or send its text")
    assert (await environment.client.get()).document_count == 3


async def test_a_collection_of_another_embedder_fails_the_job_not_its_documents(environment, ingest, embedder):
    await ingest.done(await ingest.begin(notes(1)))
    embedder.name = "another"
    job = await ingest.done(await ingest.begin(notes(5, 10)))
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert "run words-64, or ingest" in job.error.message
    assert job.progress.failed == 0


async def test_a_document_that_took_workers_down_is_tried_alone_and_then_no_more(config, running):
    async with running(config, "serve") as environment:
        await environment.ready()
        job = await environment.ingest().begin(notes(4))
    with psycopg.connect(config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.staged_documents SET readings = 3 WHERE document_id = 'note-1'")
        session.execute("UPDATE retrieval.staged_documents SET readings = 5 WHERE document_id = 'note-2'")
    async with running(config) as environment:
        job = await environment.ingest().done(job)
    assert (job.progress.created, job.progress.failed) == (3, 1)
    assert job.progress.failures[0].document_id == "note-2"
    assert "workers were lost" in job.progress.failures[0].error.message


async def test_a_job_whose_log_cannot_be_read_ends_and_holds_up_nobody_else(config, running, forking):
    async with running(config, "serve") as environment:
        await environment.ready()
        bad, good = await environment.ingest().begin(notes(2)), await environment.ingest().begin(notes(2, first=2))
        async with connect(config.nats_url, "test") as client:
            subject = f"{config.log.prefix}.{bad.job_id.replace('-', '.')}.progress"
            await client.jetstream().publish(subject, b"\xff")
            log = JobLog(client, config.log)
            async with retrieval(config, ("work",), forking):
                assert (await environment.ingest().done(good)).state == job_pb2.JOB_STATE_SUCCEEDED
                await until("the job is over", lambda: over(log, "acme"), 10.0)
            last = await log.last(bad.job_id)
    assert last is not None
    assert (last.done.state, last.done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_INTERNAL)


async def test_a_job_that_postgres_refuses_ends_and_holds_up_nobody_else(environment, ingest):
    async with connect(environment.config.nats_url, "test") as client:
        log = JobLog(client, environment.config.log)
        tenant = "acme\0"
        accepted = event_pb2.Accepted(tenant=tenant, ingest=ingest_pb2.IngestTask(collection="docs", documents=1))
        accepted.expire_time.FromSeconds(2**33)
        bad = await log.accept(new_job_id(tenant, job_pb2.PRIORITY_NORMAL), accepted)
        assert (await ingest.done(await ingest.begin(notes(2)))).state == job_pb2.JOB_STATE_SUCCEEDED
        await until("the job is over", lambda: over(log, tenant), 10.0)
        last = await log.last(bad.job_id)
    assert last is not None
    assert (last.done.state, last.done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_INTERNAL)


async def test_a_job_that_cannot_be_read_is_left_out_of_the_list(environment, ingest):
    bad, good = [await ingest.done(await ingest.begin(notes(1, first=first))) for first in range(2)]
    async with connect(environment.config.nats_url, "test") as client:
        subject = f"{environment.config.log.prefix}.{bad.job_id.replace('-', '.')}.progress"
        await client.jetstream().publish(subject, b"\xff")
    assert [job.job_id for job in (await ingest.page()).jobs] == [good.job_id]


async def over(log: JobLog, tenant: str) -> bool:
    """Whether no worker has, or will have, a job of the tenant."""
    return not (await log.depth(tenant)).unfinished


async def test_a_document_beyond_its_limit_fails_alone_and_once(config, running):
    before = cut_short("time")
    limits = {"document_cpu_s": 1.0, "document_cpu_s_per_mib": 0.0}
    async with running(config.model_copy(update=limits)) as environment:
        await environment.ready()
        ingest = environment.ingest()
        await ingest.stage("u", [document("slow", SLOW)])
        await ingest.stage("u", notes(3))
        ended = await ingest.done(await ingest.begin(upload_id="u"))
        assert ended.state == job_pb2.JOB_STATE_SUCCEEDED
        assert (ended.progress.created, ended.progress.failed) == (3, 1)
        (failure,) = ended.progress.failures
        assert failure.document_id == "slow"
        assert failure.error.reason == error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT
        assert "WEFT_RETRIEVAL_DOCUMENT_CPU_S" in failure.error.message
    assert cut_short("time") == before + 1
