"""Jobs that are cancelled or run out of time, and what becomes of their documents."""

from contextlib import suppress

import grpc
from tests.retrieval.document_processes.test_slow_documents import SLOW, in_process
from tests.retrieval.ingest_jobs.environment import refused
from tests.retrieval.ingest_jobs.ingest_client import document, notes
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_kit.rpc.errors import WeftError


async def test_a_waiting_job_is_cancelled_at_once_and_its_documents_are_dropped(config, running):
    async with running(config, "serve") as environment:
        await environment.ready()
        job = await environment.ingest().begin(notes(5))
        assert job.state == job_pb2.JOB_STATE_QUEUED
        job = await environment.ingest().cancel(job.job_id, "not needed")
        assert (job.state, job.error.message) == (job_pb2.JOB_STATE_CANCELLED, "not needed")
    assert environment.sql("SELECT count(content) FROM retrieval.staged_documents") == 0
    async with running(config) as environment:
        other = await environment.ingest().done(await environment.ingest().begin(notes(1, 9)))
        assert other.progress.created == 1
        assert (await environment.client.get()).document_count == 1


async def test_a_running_job_is_cancelled_and_what_it_stored_stays(environment, ingest, embedder):
    embedder.pass_only(1)
    job = await ingest.begin(notes(100))
    await embedder.held.wait()
    await ingest.cancel(job.job_id)
    ended = await ingest.done(job)
    assert ended.state == job_pb2.JOB_STATE_CANCELLED
    embedder.pass_all()
    assert ended.progress.created == (await environment.client.get()).document_count < 100

    async def contents_are_gone() -> bool:
        return environment.sql("SELECT count(content) FROM retrieval.staged_documents") == 0

    await until("contents are gone", contents_are_gone, 10.0)


async def test_a_job_whose_time_runs_out_says_so(ingest, embedder):
    embedder.pass_only(0)
    job = await ingest.done(await ingest.begin(notes(3), timeout_s=1))
    assert job.state == job_pb2.JOB_STATE_EXPIRED
    assert "ingest the same again" in job.error.message
    embedder.pass_all()
    assert (await ingest.done(await ingest.begin(notes(3)))).progress.created == 3


async def test_a_collection_is_not_deleted_while_a_job_stores_into_it(environment, ingest, embedder):
    embedder.pass_only(0)
    job = await ingest.begin(notes(3))
    error = await refused(environment.client.delete_collection())
    assert (error.status, error.metadata["job_id"]) == (grpc.StatusCode.FAILED_PRECONDITION, job.job_id)
    embedder.pass_all()
    await ingest.done(job)

    async def deleted() -> bool:
        with suppress(WeftError):  # its worker clears up a moment after the end
            return await environment.client.delete_collection() == 3
        return False

    await until("contents are deleted", deleted, 10.0)
    late = await refused(ingest.stage("late", notes(1)))
    assert late.reason == error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND


async def test_a_cancelled_job_gives_its_documents_processes_up(config, running):
    async with running(config.model_copy(update={"document_cpu_s": 600.0})) as environment:
        await environment.ready()
        ingest = environment.ingest()
        await ingest.stage("u", [document("slow", SLOW)])
        job = await ingest.begin(upload_id="u")
        await until("a document is processed", lambda: in_process() > 0, within_s=60)
        await ingest.cancel(job.job_id)
        await until("no document is processed", lambda: in_process() == 0, within_s=60)
        assert (await ingest.done(job)).state == job_pb2.JOB_STATE_CANCELLED
