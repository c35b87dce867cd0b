"""Jobs outlast workers that leave, an embedder that is away, and the loss of their log."""

import asyncio

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.retrieval.ingest_jobs.environment import INSIDE, refused
from tests.retrieval.ingest_jobs.ingest_client import notes

from weft.job.v1 import job_pb2
from weft_kit.joblog import connect


async def test_an_embedder_that_is_away_for_a_while_fails_no_document(ingest, embedder):
    embedder.away = True
    job = await ingest.begin(notes(10))
    await embedder.refused.wait()
    embedder.away = False
    job = await ingest.done(job)
    assert (job.progress.created, job.progress.failed) == (10, 0)


async def test_a_worker_that_leaves_gives_its_jobs_to_the_next(config, embedder, running):
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


async def test_without_a_log_documents_come_one_by_one(config, running):
    async with running(config.model_copy(update={"nats_url": ""})) as environment:
        await environment.ready()
        assert (await environment.client.ingest("One by one.")).document.chunk_count == 1
        error = await refused(environment.ingest().begin(notes(1)))
    assert error.status is grpc.StatusCode.UNIMPLEMENTED
    assert "WEFT_RETRIEVAL_NATS_URL" in error.message


async def test_a_log_that_is_away_stops_no_search(config, unused_tcp_port, running):
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


async def test_health_tells_searches_from_the_whole(config, unused_tcp_port, running):
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
