"""A record of the test's own, and events for it that the gateway would have refused."""

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
from weft_kit.joblog import JobLog, new_job_id


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
