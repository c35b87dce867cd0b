"""A record of the test's own, events for it that the gateway would have refused, and what ends expired jobs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.gateway.conftest import Ask
from tests.gateway.record.letters import CountingStore, Record

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.postgres import record_database
from weft_gateway.record.batch_writer import BatchWriter
from weft_gateway.record.postgres_dead_letters import DeadLetterStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.reaper import Reaper
from weft_gateway.record.rows import rows
from weft_kit.joblog import JobLog, new_job_id

# What the fixture `accept` is.
Accept = Callable[..., Awaitable[event_pb2.JobEvent]]


@pytest.fixture
async def record(postgres_url: str) -> AsyncIterator[Record]:
    async with record_database(postgres_url) as database:
        async with database.connection(20):
            pass  # its tables are there
        store = CountingStore(database)
        yield Record(database, store, BatchWriter(store, DeadLetterStore(database)), postgres_url)


@pytest.fixture
def begin(log: JobLog, ask: Ask) -> Callable[..., Awaitable[job_pb2.Job]]:
    """Accepts a job past the gateway, which would have refused it."""

    async def accept(tenant: str, **fields: Any) -> job_pb2.Job:
        accepted = event_pb2.Accepted(tenant=tenant, request=ask(**fields), request_hash="h")
        accepted.expire_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=10))
        first = await log.accept(new_job_id(tenant, job_pb2.PRIORITY_NORMAL), accepted)
        return job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence)

    return accept


@pytest.fixture
def told(ask: Ask) -> Callable[..., event_pb2.JobEvent]:
    """Makes the first event of a job, and the numbers of a log with it."""
    sequences = iter(range(1, 10_000))

    def make(tenant: str = "acme", **fields: Any) -> event_pb2.JobEvent:
        accepted = event_pb2.Accepted(tenant=tenant, request=ask(**fields))
        event = event_pb2.JobEvent(
            job_id=new_job_id(tenant, job_pb2.PRIORITY_NORMAL), sequence=next(sequences), accepted=accepted
        )
        event.time.FromDatetime(datetime.now(UTC))
        return event

    return make


@pytest.fixture
async def records(postgres_url: str) -> AsyncIterator[RecordStore]:
    async with record_database(postgres_url) as database:
        yield RecordStore(database, limit_s=10)


@pytest.fixture
def reaper(log: JobLog, records: RecordStore) -> Reaper:
    return Reaper(log, records, grace_s=10)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def accept(log: JobLog, records: RecordStore, ask: Ask, now: datetime) -> Accept:
    """Accepts and records a job that expired `ago_s` ago."""

    async def make(ago_s: float = 11, request_id: str = "") -> event_pb2.JobEvent:
        accepted = event_pb2.Accepted(tenant="acme", request=ask(), request_id=request_id, request_hash="h")
        accepted.expire_time.FromDatetime(now - timedelta(seconds=ago_s))
        first = await log.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL, request_id), accepted)
        await records.save(rows([first]))
        return first

    return make
