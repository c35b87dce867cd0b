"""What ingest jobs store and count, and what callers see of them."""

import asyncio

import pytest
from tests.retrieval.conftest import Client
from tests.retrieval.ingest_jobs.environment import refused
from tests.retrieval.ingest_jobs.ingest_client import document, notes

from weft.job.v1 import job_pb2


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
