"""Ingest as durable jobs: what callers see of them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.retrieval.conftest import Client
from tests.retrieval.document_processes.test_slow_documents import SLOW, cut_short, in_process
from tests.retrieval.ingest_jobs.ingest_client import IngestClient, PatientEmbedder, document, notes
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft_client.retry import Patience
from weft_kit.joblog import JobLog, connect, new_job_id
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import WeftError
from weft_retrieval.config import Config
from weft_retrieval.ingest_jobs.log_connection import IngestLog
from weft_retrieval.server import retrieval

# PostgreSQL shows what it holds of a tenant to nobody else, this test included.
INSIDE = "-c role=weft_retrieval -c weft.tenant=acme"
PROGRAM = Path(sys.executable).read_bytes()[: 1 << 20]


@dataclass(frozen=True)
class Environment:
    """A retrieval service over a log and a database of its own."""

    config: Config
    channel: Channel

    @property
    def client(self) -> Client:
        return Client(self.channel, "acme")

    def ingest(self, tenant: str = "acme") -> IngestClient:
        return IngestClient(self.channel, tenant)

    async def ready(self) -> None:
        """Makes the collection, as soon as PostgreSQL is migrated."""
        patience = Patience(20)
        while True:
            try:
                await self.client.create()
            except WeftError as failure:
                await patience.outlast(failure)
            else:
                return

    def sql(self, query: str) -> Any:
        with psycopg.connect(self.config.postgres_url, options=INSIDE) as session:
            return session.execute(query).fetchone()[0]


@pytest.fixture
def embedder() -> PatientEmbedder:
    return PatientEmbedder()


@pytest.fixture
def config(postgres_url, nats_url, inference) -> Config:
    name = uuid4().hex[:8]
    log = IngestLog(
        stream=f"I_{name}", prefix=f"i_{name}", live_prefix=f"il_{name}", ack_wait_s=1.0, max_bytes=64 * 1024**2
    )
    return Config(
        listen="127.0.0.1:0",
        postgres_url=postgres_url,
        nats_url=nats_url,
        log=log,
        inference_target=inference,
        grace_s=0.5,
    )


@asynccontextmanager
async def running(config: Config, *roles: str) -> AsyncIterator[Environment]:
    async with retrieval(config, roles or ("serve", "work")) as server, Channel(server.address, "retrieval") as channel:
        yield Environment(config, channel)


@pytest.fixture
async def environment(config: Config) -> AsyncIterator[Environment]:
    async with running(config) as built:
        await built.ready()
        yield built


@pytest.fixture
def ingest(environment: Environment) -> IngestClient:
    return environment.ingest()


async def refused(call) -> WeftError:
    with pytest.raises(WeftError) as caught:
        await call
    return caught.value


async def test_a_job_keeps_the_language_that_each_document_was_sent_with(environment, ingest):
    await ingest.done(await ingest.begin([document("given", "houses", language="german"), document("none", "houses")]))
    listed = {one.document_id: one.language for one in (await environment.client.documents()).documents}
    assert listed == {"given": "german", "none": "english"}


async def test_a_job_stores_its_documents_and_counts_them(environment, ingest):
    job = await ingest.done(await ingest.begin(notes(50)))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert (job.progress.documents, job.progress.created, job.progress.chunks) == (50, 50, 50)
    assert job.progress.embedded_chunks == 50
    assert 0 < job.embedder_share <= 1
    assert (await environment.client.get()).document_count == 50
    assert (await environment.client.search("number7")).hits[0].document_id == "note-7"


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


async def test_a_second_job_finds_what_is_there_and_what_changed(ingest):
    await ingest.done(await ingest.begin(notes(5)))
    changed = [*notes(3), document("note-3", "Another text."), document("new", "New.")]
    job = await ingest.done(await ingest.begin(changed))
    assert (job.progress.unchanged, job.progress.updated, job.progress.created) == (3, 1, 1)
    assert job.progress.embedded_chunks == 2


async def test_the_same_content_under_another_id_is_left_out_when_asked(environment, ingest):
    twins = [document(f"copy-{number}", "The very same words.") for number in range(8)]
    job = await ingest.done(await ingest.begin([*twins, *notes(2)], skip_duplicates=True))
    assert (job.progress.created, job.progress.duplicate) == (3, 7)
    assert (await environment.client.get()).document_count == 3
    job = await ingest.done(await ingest.begin(twins))
    assert (job.progress.created, job.progress.unchanged) == (7, 1)


async def test_a_copy_of_a_document_that_is_there_replaces_its_old_content(environment, ingest):
    await ingest.done(await ingest.begin([document("a", "Old words."), document("b", "Common words.")]))
    job = await ingest.done(await ingest.begin([document("a", "Common words.")], skip_duplicates=True))
    assert job.progress.updated == 1


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


async def test_a_repeated_request_is_the_same_job(environment, ingest):
    jobs = await asyncio.gather(*(ingest.begin(notes(3), request_id="once") for _ in range(4)))
    assert len({job.job_id for job in jobs}) == 1
    await ingest.done(jobs[0])
    assert (await ingest.begin(notes(3), request_id="once")).progress.created == 3
    error = await refused(ingest.begin(notes(4), request_id="once"))
    assert error.reason_name == "REQUEST_ID_REUSED"
    assert (await environment.client.get()).document_count == 3


async def test_watchers_see_every_step_in_order_from_any_position(ingest):
    job = await ingest.begin(notes(30))
    events = await ingest.events(job.job_id)
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[:2] == ["accepted", "started"]
    assert set(kinds[2:-1]) == {"progress"}
    assert kinds[-1] == "done"
    counted = [event.progress.created for event in events if event.HasField("progress")]
    assert counted == sorted(counted)
    assert await ingest.events(job.job_id, after=events[1].sequence) == events[2:]


async def test_a_waiting_job_is_cancelled_at_once_and_its_documents_are_dropped(config):
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


async def test_an_embedder_that_is_away_for_a_while_fails_no_document(ingest, embedder):
    embedder.away = True
    job = await ingest.begin(notes(10))
    await embedder.refused.wait()
    embedder.away = False
    job = await ingest.done(job)
    assert (job.progress.created, job.progress.failed) == (10, 0)


async def test_a_collection_of_another_embedder_fails_the_job_not_its_documents(environment, ingest, embedder):
    await ingest.done(await ingest.begin(notes(1)))
    embedder.name = "another"
    job = await ingest.done(await ingest.begin(notes(5, 10)))
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert "run words-64, or ingest" in job.error.message
    assert job.progress.failed == 0


async def test_a_worker_that_leaves_gives_its_jobs_to_the_next(config, embedder):
    async with running(config, "serve") as serving:
        await serving.ready()
        embedder.pass_only(1)
        async with running(config):
            job = await serving.ingest().begin(notes(100))
            await embedder.held.wait()
        embedder.pass_all()
        async with running(config):
            job = await serving.ingest().done(job)
        assert (job.state, job.progress.created) == (job_pb2.JOB_STATE_SUCCEEDED, 100)
        kinds = [event.WhichOneof("event") for event in await serving.ingest().events(job.job_id)]
        assert kinds.count("released") == 1
        assert (await serving.client.get()).document_count == 100


async def test_jobs_of_a_tenant_are_listed_page_by_page(ingest):
    begun = [await ingest.begin(notes(1, number)) for number in range(5)]
    first = await ingest.page(page_size=3)
    rest = await ingest.page(page_size=3, page_token=first.next_page_token)
    assert [job.job_id for job in (*first.jobs, *rest.jobs)] == [job.job_id for job in reversed(begun)]
    assert not rest.next_page_token


async def test_other_tenants_know_nothing_of_a_job(environment, ingest):
    job = await ingest.begin(notes(1))
    other = environment.ingest("globex")
    for call in (other.get(job.job_id), other.cancel(job.job_id), other.events(job.job_id)):
        assert (await refused(call)).reason_name == "JOB_NOT_FOUND"
    assert not (await other.page()).jobs
    await ingest.stage("mine", notes(2))
    await Client(environment.channel, "globex").create()
    error = await refused(other.begin(upload_id="mine"))
    assert error.violations


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


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "documents"),
        ({"upload_id": "~x"}, "upload_id"),
        ({"documents": notes(1), "request_id": "r" * 65}, "request_id"),
        ({"documents": notes(1), "timeout_s": 0.5}, "timeout"),
        ({"documents": [document("a\0b", "x")]}, "documents[0].document_id"),
    ],
)
async def test_a_wrong_call_names_the_field(ingest, fields, named):
    assert set((await refused(ingest.begin(**fields))).violations) == {named}


async def test_a_collection_must_exist_before_its_documents_come(environment):
    error = await refused(environment.ingest("globex").begin(notes(1)))
    assert error.reason_name == "COLLECTION_NOT_FOUND"


async def test_a_tenant_may_have_only_so_much_waiting(config):
    async with running(config.model_copy(update={"staged_bytes_per_tenant": 2 * 1024**2}), "serve") as environment:
        await environment.ready()
        await environment.ingest().stage("a", [document("big", "x" * 1024**2)])
        error = await refused(environment.ingest().stage("b", [document("bigger", "x" * (1024**2 + 1))]))
    assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.retry_after_s


async def test_without_a_log_documents_come_one_by_one(config):
    async with running(config.model_copy(update={"nats_url": ""})) as environment:
        await environment.ready()
        assert (await environment.client.ingest("One by one.")).document.chunk_count == 1
        error = await refused(environment.ingest().begin(notes(1)))
    assert error.status is grpc.StatusCode.UNIMPLEMENTED
    assert "WEFT_RETRIEVAL_NATS_URL" in error.message


async def test_a_log_that_is_away_stops_no_search(config, unused_tcp_port):
    async with running(config.model_copy(update={"nats_url": f"nats://127.0.0.1:{unused_tcp_port}"})) as environment:
        await environment.ready()
        await environment.client.ingest("The moon pulls the sea.")
        assert (await environment.client.search("moon")).hits
        error = await refused(environment.ingest().begin(notes(1)))
    assert (error.reason_name, error.metadata["dependency"]) == ("DEPENDENCY_DOWN", "nats")


async def test_after_the_loss_of_its_log_a_repeat_of_the_request_begins_the_job_again(environment, ingest, embedder):
    embedder.pass_only(1)
    lost = await ingest.begin(notes(100), request_id="again")
    await embedder.held.wait()
    async with connect(environment.config.nats_url, "test") as client:
        await client.jetstream().delete_stream(environment.config.log.stream)
        embedder.pass_all()
        job = await ingest.begin(notes(100), request_id="again")
    assert job.job_id == lost.job_id
    assert (await ingest.done(job)).progress.documents == 100
    assert (await environment.client.get()).document_count == 100
    other = await ingest.done(await ingest.begin(notes(1, first=200)))
    assert other.progress.created == 1


async def test_health_tells_searches_from_the_whole(config, unused_tcp_port):
    nowhere = config.model_copy(update={"nats_url": f"nats://127.0.0.1:{unused_tcp_port}"})
    for settings, whole in ((config, True), (nowhere, False)):
        async with running(settings) as environment:
            await environment.ready()
            health = health_pb2_grpc.HealthStub(environment.channel.raw)
            for service, ready in (("", whole), ("weft.retrieval.v1.RetrievalService", True), ("liveness", True)):
                watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
                async with asyncio.timeout(20):
                    async for answer in watch:
                        if (answer.status == health_pb2.HealthCheckResponse.SERVING) == ready:
                            break
                watch.cancel()


async def test_uploads_that_no_job_came_for_are_swept_out(config):
    async with running(config, "serve") as environment:
        await environment.ready()
        await environment.ingest().stage("left", notes(3))
    with psycopg.connect(config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.uploads SET keep_until = now() - interval '1 second'")
    async with running(config):

        async def swept() -> bool:
            return environment.sql("SELECT count(*) FROM retrieval.staged_documents") == 0

        await until("uploads are swept", swept, 10.0)


async def test_a_document_that_took_workers_down_is_tried_alone_and_then_no_more(config):
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


async def test_a_document_that_another_worker_settled_is_not_stored_again(environment, ingest, embedder):
    embedder.pass_only(1)
    job = await ingest.begin(notes(60))
    await embedder.held.wait()
    with psycopg.connect(environment.config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.staged_documents SET outcome = 'created' WHERE outcome = 'waiting'")
    embedder.pass_all()
    ended = await ingest.done(job)
    assert ended.progress.created == 60
    assert (
        (await environment.client.get()).document_count
        == environment.sql("SELECT count(*) FROM retrieval.documents")
        < 60
    )


async def test_a_job_whose_log_cannot_be_read_ends_and_holds_up_nobody_else(config):
    async with running(config, "serve") as environment:
        await environment.ready()
        bad, good = await environment.ingest().begin(notes(2)), await environment.ingest().begin(notes(2, first=2))
        async with connect(config.nats_url, "test") as client:
            subject = f"{config.log.prefix}.{bad.job_id.replace('-', '.')}.progress"
            await client.jetstream().publish(subject, b"\xff")
            log = JobLog(client, config.log)
            async with retrieval(config, ("work",)):
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


async def test_a_document_beyond_its_limit_fails_alone_and_once(config):
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


async def test_a_cancelled_job_gives_its_documents_processes_up(config):
    async with running(config.model_copy(update={"document_cpu_s": 600.0})) as environment:
        await environment.ready()
        ingest = environment.ingest()
        await ingest.stage("u", [document("slow", SLOW)])
        job = await ingest.begin(upload_id="u")
        await until("a document is processed", lambda: in_process() > 0, within_s=60)
        await ingest.cancel(job.job_id)
        await until("no document is processed", lambda: in_process() == 0, within_s=60)
        assert (await ingest.done(job)).state == job_pb2.JOB_STATE_CANCELLED
