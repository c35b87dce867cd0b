"""The rules of ingest jobs: counts, intervals, what a failure means, and the record that events tell."""

import pytest

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    DependencyDown,
    Exhausted,
    FailedPrecondition,
    Internal,
    InvalidFields,
    NotFound,
    Overloaded,
)
from weft_retrieval.ingest.ingest import IngestOutcome
from weft_retrieval.ingest_jobs.progress import FAILED, Progress, interval_s
from weft_retrieval.ingest_jobs.projection import record
from weft_retrieval.ingest_jobs.retry import RetryVerdict, verdict

ACCEPTED = event_pb2.JobEvent(
    job_id="j",
    sequence=1,
    accepted=event_pb2.Accepted(ingest=ingest_pb2.IngestTask(collection="docs", documents=3, content_bytes=9)),
)


def test_a_tally_adds_up():
    tally = (
        Progress(4).counting(IngestOutcome.CREATED, 3, 3).counting(IngestOutcome.UNCHANGED, 2, 0).counting(FAILED, 0, 0)
    )
    told = tally.to_wire()
    assert tally.settled == 3
    assert (told.documents, told.created, told.unchanged, told.failed) == (4, 1, 1, 1)
    assert (told.chunks, told.embedded_chunks) == (5, 3)


def test_a_young_job_is_told_of_often_and_an_old_one_seldom():
    assert interval_s(0) == interval_s(20) == 0.2
    assert interval_s(100) == 1
    assert interval_s(86_400) == 10


def test_an_hour_of_progress_is_some_hundred_events():
    age_s, events = 0.0, 0
    while age_s < 3600:
        age_s, events = age_s + interval_s(age_s), events + 1
    assert 400 < events < 800


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (Overloaded("busy", 1), RetryVerdict.AGAIN),
        (DependencyDown("postgresql", "away"), RetryVerdict.AGAIN),
        (DeadlineExceeded("slow"), RetryVerdict.AGAIN),
        (Exhausted(error_pb2.ERROR_REASON_QUOTA_EXCEEDED, "full", 1), RetryVerdict.AGAIN),
        (InvalidFields({"document.metadata": "wrong"}), RetryVerdict.REFUSED),
        (Internal("c"), RetryVerdict.REFUSED),
        (NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, "gone"), RetryVerdict.HOPELESS),
        (FailedPrecondition(error_pb2.ERROR_REASON_EMBEDDER_MISMATCH, "other"), RetryVerdict.HOPELESS),
    ],
)
def test_a_failure_means_a_wait_or_a_document_or_the_job(error, meaning):
    assert verdict(error) is meaning


@pytest.mark.parametrize(
    ("step", "state"),
    [
        ({"started": event_pb2.Started(attempt=1)}, job_pb2.JOB_STATE_RUNNING),
        ({"progress": ingest_pb2.IngestProgress(documents=3)}, job_pb2.JOB_STATE_RUNNING),
        ({"released": event_pb2.Released()}, job_pb2.JOB_STATE_QUEUED),
        ({"cancel_requested": event_pb2.CancelRequested()}, job_pb2.JOB_STATE_RUNNING),
        ({"done": event_pb2.Done(state=job_pb2.JOB_STATE_CANCELLED)}, job_pb2.JOB_STATE_CANCELLED),
    ],
)
def test_a_record_tells_the_state_of_the_last_event(step, state):
    last = event_pb2.JobEvent(job_id="j", sequence=7, **step)
    found = record(ACCEPTED, last, ingest_pb2.IngestProgress(documents=3, created=1))
    assert (found.job_id, found.collection, found.state, found.last_sequence) == ("j", "docs", state, 7)
    assert found.progress.created == 1


def test_a_job_nobody_has_begun_has_all_its_documents_before_it():
    assert record(ACCEPTED, ACCEPTED).progress == ingest_pb2.IngestProgress(documents=3)


def test_the_end_counts_more_than_the_last_progress():
    result = ingest_pb2.IngestResult(
        progress=ingest_pb2.IngestProgress(documents=3, created=2, failed=1), embedder_share=0.5
    )
    done = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, ingest=result)
    found = record(ACCEPTED, event_pb2.JobEvent(sequence=9, done=done), ingest_pb2.IngestProgress(created=1))
    assert found.progress == result.progress
    assert found.embedder_share == 0.5
