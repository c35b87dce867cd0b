"""Documents staged in several calls wait for the one job that they belong to."""

import grpc
import psycopg
from tests.retrieval.ingest_jobs.environment import INSIDE, refused
from tests.retrieval.ingest_jobs.ingest_client import document, notes
from tests.support.waiting import until


async def test_a_large_set_is_staged_in_several_calls(environment, ingest):
    for first in range(0, 60, 20):
        staged = await ingest.stage("folder", notes(20, first))
        await ingest.stage("folder", notes(20, first))
    assert staged.documents == 60
    assert (await environment.client.get()).document_count == 0
    job = await ingest.done(await ingest.begin(notes(1, 60), upload_id="folder"))
    assert job.progress.created == 61


async def test_an_upload_belongs_to_one_job(ingest):
    await ingest.stage("u", notes(3))
    job = await ingest.begin(upload_id="u")
    again = await ingest.begin(upload_id="u")
    assert again.job_id == job.job_id
    error = await refused(ingest.stage("u", notes(1)))
    assert error.status is grpc.StatusCode.ALREADY_EXISTS
    assert job.job_id in error.message
    assert (await refused(ingest.begin(upload_id="u", skip_duplicates=True))).status is grpc.StatusCode.ALREADY_EXISTS


async def test_a_statement_that_forgot_its_tenant_sees_no_upload_of_others(environment, ingest):
    await ingest.stage("mine", notes(2))
    await environment.client.ingest("One.", "a")
    for tenant, staged in (("acme", 2), ("globex", 0)):
        with psycopg.connect(environment.config.postgres_url) as session:
            session.execute(
                "SELECT set_config('role', 'weft_retrieval', true), set_config('weft.tenant', %s, true)", (tenant,)
            )
            assert session.execute("SELECT count(*) FROM retrieval.staged_documents").fetchone() == (staged,)
            assert session.execute("SELECT count(*) FROM retrieval.uploads").fetchone() == (min(staged, 1),)


async def test_a_tenant_may_have_only_so_much_waiting(config, running):
    async with running(config.model_copy(update={"staged_bytes_per_tenant": 2 * 1024**2}), "serve") as environment:
        await environment.ready()
        await environment.ingest().stage("a", [document("big", "x" * 1024**2)])
        error = await refused(environment.ingest().stage("b", [document("bigger", "x" * (1024**2 + 1))]))
    assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.retry_after_s


async def test_uploads_that_no_job_came_for_are_swept_out(config, running):
    async with running(config, "serve") as environment:
        await environment.ready()
        await environment.ingest().stage("left", notes(3))
    with psycopg.connect(config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.uploads SET keep_until = now() - interval '1 second'")
    async with running(config):

        async def swept() -> bool:
            return environment.sql("SELECT count(*) FROM retrieval.staged_documents") == 0

        await until("uploads are swept", swept, 10.0)
