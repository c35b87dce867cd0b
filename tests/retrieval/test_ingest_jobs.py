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
from tests.retrieval.ingest_desk import IngestDesk, PatientEmbedder, document, notes
from tests.retrieval.test_slow_documents import SLOW, cut_short, in_process, until_true
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
class House:
    """A retrieval service over a log and a database of its own."""

    config: Config
    channel: Channel

    @property
    def client(self) -> Client:
        return Client(self.channel, "acme")

    def desk(self, tenant: str = "acme") -> IngestDesk:
        return IngestDesk(self.channel, tenant)

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
async def running(config: Config, *roles: str) -> AsyncIterator[House]:
    async with retrieval(config, roles or ("serve", "work")) as server, Channel(server.address, "retrieval") as channel:
        yield House(config, channel)


@pytest.fixture
async def house(config: Config) -> AsyncIterator[House]:
    async with running(config) as built:
        await built.ready()
        yield built


@pytest.fixture
def desk(house: House) -> IngestDesk:
    return house.desk()


async def refused(call) -> WeftError:
    with pytest.raises(WeftError) as caught:
        await call
    return caught.value


async def test_a_job_keeps_the_language_that_each_document_was_sent_with(house, desk):
    await desk.done(await desk.begin([document("given", "houses", language="german"), document("none", "houses")]))
    listed = {one.document_id: one.language for one in (await house.client.documents()).documents}
    assert listed == {"given": "german", "none": "english"}


async def test_a_job_stores_its_documents_and_counts_them(house, desk):
    job = await desk.done(await desk.begin(notes(50)))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert (job.progress.documents, job.progress.created, job.progress.chunks) == (50, 50, 50)
    assert job.progress.embedded_chunks == 50
    assert 0 < job.embedder_share <= 1
    assert (await house.client.get()).document_count == 50
    assert (await house.client.search("number7")).hits[0].document_id == "note-7"


async def test_a_document_that_cannot_be_stored_is_named_with_what_to_do_and_the_rest_are_stored(house, desk):
    bad = [
        document("broken.pdf", b"%PDF-1.7\nnot really", content_type=4),
        document("empty.txt", b""),
        document("wordless.md", "\n\n"),
        document("odd", "Fine text.", metadata={"no spaces allowed": 1}),
    ]
    job = await desk.done(await desk.begin([*bad[:2], *notes(10), *bad[2:]]))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert (job.progress.created, job.progress.failed) == (10, 4)
    named = {failure.document_id: failure.error for failure in job.progress.failures}
    assert set(named) == {"broken.pdf", "empty.txt", "wordless.md", "odd"}
    assert "a key must be" in named["odd"].message
    assert (await house.client.get()).document_count == 10
    told = [failure.document_id for event in await desk.events(job.job_id) for failure in event.progress.failures]
    assert sorted(told) == sorted(named)


async def test_a_program_named_as_a_page_fails_alone_and_by_what_it_is(house, desk):
    job = await desk.done(await desk.begin([document("ls.html", PROGRAM), *notes(3)]))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    [failed] = job.progress.failures
    assert failed.document_id == "ls.html"
    assert failed.error.message.endswith("program, not HTML; leave it out, or send its text")
    assert (await house.client.get()).document_count == 3


async def test_a_second_job_finds_what_is_there_and_what_changed(desk):
    await desk.done(await desk.begin(notes(5)))
    changed = [*notes(3), document("note-3", "Another text."), document("new", "New.")]
    job = await desk.done(await desk.begin(changed))
    assert (job.progress.unchanged, job.progress.updated, job.progress.created) == (3, 1, 1)
    assert job.progress.embedded_chunks == 2


async def test_the_same_content_under_another_id_is_left_out_when_asked(house, desk):
    twins = [document(f"copy-{number}", "The very same words.") for number in range(8)]
    job = await desk.done(await desk.begin([*twins, *notes(2)], skip_duplicates=True))
    assert (job.progress.created, job.progress.duplicate) == (3, 7)
    assert (await house.client.get()).document_count == 3
    job = await desk.done(await desk.begin(twins))
    assert (job.progress.created, job.progress.unchanged) == (7, 1)


async def test_a_copy_of_a_document_that_is_there_replaces_its_old_content(house, desk):
    await desk.done(await desk.begin([document("a", "Old words."), document("b", "Common words.")]))
    job = await desk.done(await desk.begin([document("a", "Common words.")], skip_duplicates=True))
    assert job.progress.updated == 1


async def test_a_large_set_is_staged_in_several_calls(house, desk):
    for first in range(0, 60, 20):
        staged = await desk.stage("folder", notes(20, first))
        await desk.stage("folder", notes(20, first))
    assert staged.documents == 60
    assert (await house.client.get()).document_count == 0
    job = await desk.done(await desk.begin(notes(1, 60), upload_id="folder"))
    assert job.progress.created == 61


async def test_an_upload_belongs_to_one_job(desk):
    await desk.stage("u", notes(3))
    job = await desk.begin(upload_id="u")
    again = await desk.begin(upload_id="u")
    assert again.job_id == job.job_id
    error = await refused(desk.stage("u", notes(1)))
    assert error.status is grpc.StatusCode.ALREADY_EXISTS
    assert job.job_id in error.message
    assert (await refused(desk.begin(upload_id="u", skip_duplicates=True))).status is grpc.StatusCode.ALREADY_EXISTS


async def test_a_repeated_request_is_the_same_job(house, desk):
    jobs = await asyncio.gather(*(desk.begin(notes(3), request_id="once") for _ in range(4)))
    assert len({job.job_id for job in jobs}) == 1
    await desk.done(jobs[0])
    assert (await desk.begin(notes(3), request_id="once")).progress.created == 3
    error = await refused(desk.begin(notes(4), request_id="once"))
    assert error.reason_name == "REQUEST_ID_REUSED"
    assert (await house.client.get()).document_count == 3


async def test_watchers_see_every_step_in_order_from_any_position(desk):
    job = await desk.begin(notes(30))
    events = await desk.events(job.job_id)
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[:2] == ["accepted", "started"]
    assert set(kinds[2:-1]) == {"progress"}
    assert kinds[-1] == "done"
    counted = [event.progress.created for event in events if event.HasField("progress")]
    assert counted == sorted(counted)
    assert await desk.events(job.job_id, after=events[1].sequence) == events[2:]


async def test_a_waiting_job_is_cancelled_at_once_and_its_documents_are_dropped(config):
    async with running(config, "serve") as house:
        await house.ready()
        job = await house.desk().begin(notes(5))
        assert job.state == job_pb2.JOB_STATE_QUEUED
        job = await house.desk().cancel(job.job_id, "not needed")
        assert (job.state, job.error.message) == (job_pb2.JOB_STATE_CANCELLED, "not needed")
    assert house.sql("SELECT count(content) FROM retrieval.staged_documents") == 0
    async with running(config) as house:
        other = await house.desk().done(await house.desk().begin(notes(1, 9)))
        assert other.progress.created == 1
        assert (await house.client.get()).document_count == 1


async def test_a_running_job_is_cancelled_and_what_it_stored_stays(house, desk, embedder):
    embedder.pass_only(1)
    job = await desk.begin(notes(100))
    await embedder.held.wait()
    await desk.cancel(job.job_id)
    ended = await desk.done(job)
    assert ended.state == job_pb2.JOB_STATE_CANCELLED
    embedder.pass_all()
    assert ended.progress.created == (await house.client.get()).document_count < 100

    async def contents_are_gone() -> bool:
        return house.sql("SELECT count(content) FROM retrieval.staged_documents") == 0

    await until("contents are gone", contents_are_gone, 10.0)


async def test_a_job_whose_time_runs_out_says_so(desk, embedder):
    embedder.pass_only(0)
    job = await desk.done(await desk.begin(notes(3), timeout_s=1))
    assert job.state == job_pb2.JOB_STATE_EXPIRED
    assert "ingest the same again" in job.error.message
    embedder.pass_all()
    assert (await desk.done(await desk.begin(notes(3)))).progress.created == 3


async def test_an_embedder_that_is_away_for_a_while_fails_no_document(desk, embedder):
    embedder.away = True
    job = await desk.begin(notes(10))
    await embedder.refused.wait()
    embedder.away = False
    job = await desk.done(job)
    assert (job.progress.created, job.progress.failed) == (10, 0)


async def test_a_collection_of_another_embedder_fails_the_job_not_its_documents(house, desk, embedder):
    await desk.done(await desk.begin(notes(1)))
    embedder.name = "another"
    job = await desk.done(await desk.begin(notes(5, 10)))
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert "run words-64, or ingest" in job.error.message
    assert job.progress.failed == 0


async def test_a_worker_that_leaves_gives_its_jobs_to_the_next(config, embedder):
    async with running(config, "serve") as door:
        await door.ready()
        embedder.pass_only(1)
        async with running(config):
            job = await door.desk().begin(notes(100))
            await embedder.held.wait()
        embedder.pass_all()
        async with running(config):
            job = await door.desk().done(job)
        assert (job.state, job.progress.created) == (job_pb2.JOB_STATE_SUCCEEDED, 100)
        kinds = [event.WhichOneof("event") for event in await door.desk().events(job.job_id)]
        assert kinds.count("released") == 1
        assert (await door.client.get()).document_count == 100


async def test_jobs_of_a_tenant_are_listed_page_by_page(desk):
    begun = [await desk.begin(notes(1, number)) for number in range(5)]
    first = await desk.page(page_size=3)
    rest = await desk.page(page_size=3, page_token=first.next_page_token)
    assert [job.job_id for job in (*first.jobs, *rest.jobs)] == [job.job_id for job in reversed(begun)]
    assert not rest.next_page_token


async def test_other_tenants_know_nothing_of_a_job(house, desk):
    job = await desk.begin(notes(1))
    other = house.desk("globex")
    for call in (other.get(job.job_id), other.cancel(job.job_id), other.events(job.job_id)):
        assert (await refused(call)).reason_name == "JOB_NOT_FOUND"
    assert not (await other.page()).jobs
    await desk.stage("mine", notes(2))
    await Client(house.channel, "globex").create()
    error = await refused(other.begin(upload_id="mine"))
    assert error.violations


async def test_a_statement_that_forgot_its_tenant_sees_no_upload_of_others(house, desk):
    await desk.stage("mine", notes(2))
    await house.client.ingest("One.", "a")
    for tenant, staged in (("acme", 2), ("globex", 0)):
        with psycopg.connect(house.config.postgres_url) as session:
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
async def test_a_wrong_call_names_the_field(desk, fields, named):
    assert set((await refused(desk.begin(**fields))).violations) == {named}


async def test_a_collection_must_exist_before_its_documents_come(house):
    error = await refused(house.desk("globex").begin(notes(1)))
    assert error.reason_name == "COLLECTION_NOT_FOUND"


async def test_a_tenant_may_have_only_so_much_waiting(config):
    async with running(config.model_copy(update={"staged_bytes_per_tenant": 2 * 1024**2}), "serve") as house:
        await house.ready()
        await house.desk().stage("a", [document("big", "x" * 1024**2)])
        error = await refused(house.desk().stage("b", [document("bigger", "x" * (1024**2 + 1))]))
    assert error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.retry_after_s


async def test_without_a_log_documents_come_one_by_one(config):
    async with running(config.model_copy(update={"nats_url": ""})) as house:
        await house.ready()
        assert (await house.client.ingest("One by one.")).document.chunk_count == 1
        error = await refused(house.desk().begin(notes(1)))
    assert error.status is grpc.StatusCode.UNIMPLEMENTED
    assert "WEFT_RETRIEVAL_NATS_URL" in error.message


async def test_a_log_that_is_away_stops_no_search(config, unused_tcp_port):
    async with running(config.model_copy(update={"nats_url": f"nats://127.0.0.1:{unused_tcp_port}"})) as house:
        await house.ready()
        await house.client.ingest("The moon pulls the sea.")
        assert (await house.client.search("moon")).hits
        error = await refused(house.desk().begin(notes(1)))
    assert (error.reason_name, error.metadata["dependency"]) == ("DEPENDENCY_DOWN", "nats")


async def test_after_the_loss_of_its_log_a_repeat_of_the_request_begins_the_job_again(house, desk, embedder):
    embedder.pass_only(1)
    lost = await desk.begin(notes(100), request_id="again")
    await embedder.held.wait()
    async with connect(house.config.nats_url, "test") as client:
        await client.jetstream().delete_stream(house.config.log.stream)
        embedder.pass_all()
        job = await desk.begin(notes(100), request_id="again")
    assert job.job_id == lost.job_id
    assert (await desk.done(job)).progress.documents == 100
    assert (await house.client.get()).document_count == 100
    other = await desk.done(await desk.begin(notes(1, first=200)))
    assert other.progress.created == 1


async def test_health_tells_searches_from_the_whole(config, unused_tcp_port):
    nowhere = config.model_copy(update={"nats_url": f"nats://127.0.0.1:{unused_tcp_port}"})
    for settings, whole in ((config, True), (nowhere, False)):
        async with running(settings) as house:
            await house.ready()
            health = health_pb2_grpc.HealthStub(house.channel.raw)
            for service, ready in (("", whole), ("weft.retrieval.v1.RetrievalService", True), ("liveness", True)):
                watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
                async with asyncio.timeout(20):
                    async for answer in watch:
                        if (answer.status == health_pb2.HealthCheckResponse.SERVING) == ready:
                            break
                watch.cancel()


async def test_uploads_that_no_job_came_for_are_swept_out(config):
    async with running(config, "serve") as house:
        await house.ready()
        await house.desk().stage("left", notes(3))
    with psycopg.connect(config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.uploads SET keep_until = now() - interval '1 second'")
    async with running(config):

        async def swept() -> bool:
            return house.sql("SELECT count(*) FROM retrieval.staged_documents") == 0

        await until("uploads are swept", swept, 10.0)


async def test_a_document_that_took_workers_down_is_tried_alone_and_then_no_more(config):
    async with running(config, "serve") as house:
        await house.ready()
        job = await house.desk().begin(notes(4))
    with psycopg.connect(config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.staged_documents SET readings = 3 WHERE document_id = 'note-1'")
        session.execute("UPDATE retrieval.staged_documents SET readings = 5 WHERE document_id = 'note-2'")
    async with running(config) as house:
        job = await house.desk().done(job)
    assert (job.progress.created, job.progress.failed) == (3, 1)
    assert job.progress.failures[0].document_id == "note-2"
    assert "workers were lost" in job.progress.failures[0].error.message


async def test_a_document_that_another_worker_settled_is_not_stored_again(house, desk, embedder):
    embedder.pass_only(1)
    job = await desk.begin(notes(60))
    await embedder.held.wait()
    with psycopg.connect(house.config.postgres_url, options=INSIDE) as session:
        session.execute("UPDATE retrieval.staged_documents SET outcome = 'created' WHERE outcome = 'waiting'")
    embedder.pass_all()
    ended = await desk.done(job)
    assert ended.progress.created == 60
    assert (await house.client.get()).document_count == house.sql("SELECT count(*) FROM retrieval.documents") < 60


async def test_a_job_whose_log_cannot_be_read_ends_and_holds_up_nobody_else(config):
    async with running(config, "serve") as house:
        await house.ready()
        bad, good = await house.desk().begin(notes(2)), await house.desk().begin(notes(2, first=2))
        async with connect(config.nats_url, "test") as client:
            subject = f"{config.log.prefix}.{bad.job_id.replace('-', '.')}.progress"
            await client.jetstream().publish(subject, b"\xff")
            log = JobLog(client, config.log)
            async with retrieval(config, ("work",)):
                assert (await house.desk().done(good)).state == job_pb2.JOB_STATE_SUCCEEDED
                await until("the job is over", lambda: over(log, "acme"), 10.0)
            last = await log.last(bad.job_id)
    assert last is not None
    assert (last.done.state, last.done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_INTERNAL)


async def test_a_job_that_postgres_refuses_ends_and_holds_up_nobody_else(house, desk):
    async with connect(house.config.nats_url, "test") as client:
        log = JobLog(client, house.config.log)
        tenant = "acme\0"
        accepted = event_pb2.Accepted(tenant=tenant, ingest=ingest_pb2.IngestTask(collection="docs", documents=1))
        accepted.expire_time.FromSeconds(2**33)
        bad = await log.accept(new_job_id(tenant, job_pb2.PRIORITY_NORMAL), accepted)
        assert (await desk.done(await desk.begin(notes(2)))).state == job_pb2.JOB_STATE_SUCCEEDED
        await until("the job is over", lambda: over(log, tenant), 10.0)
        last = await log.last(bad.job_id)
    assert last is not None
    assert (last.done.state, last.done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_INTERNAL)


async def test_a_job_that_cannot_be_read_is_left_out_of_the_list(house, desk):
    bad, good = [await desk.done(await desk.begin(notes(1, first=first))) for first in range(2)]
    async with connect(house.config.nats_url, "test") as client:
        subject = f"{house.config.log.prefix}.{bad.job_id.replace('-', '.')}.progress"
        await client.jetstream().publish(subject, b"\xff")
    assert [job.job_id for job in (await desk.page()).jobs] == [good.job_id]


async def over(log: JobLog, tenant: str) -> bool:
    """Whether no worker has, or will have, a job of the tenant."""
    return not (await log.depth(tenant)).unfinished


async def test_a_collection_is_not_deleted_while_a_job_stores_into_it(house, desk, embedder):
    embedder.pass_only(0)
    job = await desk.begin(notes(3))
    error = await refused(house.client.delete_collection())
    assert (error.status, error.metadata["job_id"]) == (grpc.StatusCode.FAILED_PRECONDITION, job.job_id)
    embedder.pass_all()
    await desk.done(job)

    async def deleted() -> bool:
        with suppress(WeftError):  # its worker clears up a moment after the end
            return await house.client.delete_collection() == 3
        return False

    await until("contents are deleted", deleted, 10.0)
    late = await refused(desk.stage("late", notes(1)))
    assert late.reason == error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND


async def test_a_document_beyond_its_limit_fails_alone_and_once(config):
    before = cut_short("time")
    limits = {"document_cpu_s": 1.0, "document_cpu_s_per_mib": 0.0}
    async with running(config.model_copy(update=limits)) as house:
        await house.ready()
        desk = house.desk()
        await desk.stage("u", [document("slow", SLOW)])
        await desk.stage("u", notes(3))
        ended = await desk.done(await desk.begin(upload_id="u"))
        assert ended.state == job_pb2.JOB_STATE_SUCCEEDED
        assert (ended.progress.created, ended.progress.failed) == (3, 1)
        (failure,) = ended.progress.failures
        assert failure.document_id == "slow"
        assert failure.error.reason == error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT
        assert "WEFT_RETRIEVAL_DOCUMENT_CPU_S" in failure.error.message
    assert cut_short("time") == before + 1


async def test_a_cancelled_job_gives_its_documents_processes_up(config):
    async with running(config.model_copy(update={"document_cpu_s": 600.0})) as house:
        await house.ready()
        desk = house.desk()
        await desk.stage("u", [document("slow", SLOW)])
        job = await desk.begin(upload_id="u")
        await until_true(lambda: in_process() > 0)
        await desk.cancel(job.job_id)
        await until_true(lambda: in_process() == 0)
        assert (await desk.done(job)).state == job_pb2.JOB_STATE_CANCELLED
