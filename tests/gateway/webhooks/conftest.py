"""A record with finished jobs whose webhooks are due, and notifiers that send them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.gateway.webhooks.notifying import KEY, QUICK, Finish, Notifying

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.postgres import record_database
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.rows import rows
from weft_gateway.webhooks.backoff import Backoff
from weft_gateway.webhooks.http_sender import HttpSender
from weft_gateway.webhooks.notifier import Notifier, Pace
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.postgres_outbox import WebhookOutbox
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_gateway.webhooks.resolver import Resolver
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_kit.joblog import new_job_id
from weft_kit.stores.postgres import Database
from weft_kit.tasks import running


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with record_database(postgres_url) as database:
        yield database


@pytest.fixture
def outbox(database: Database) -> WebhookOutbox:
    return WebhookOutbox(database)


@pytest.fixture
def store(database: Database) -> DeliveryStore:
    return DeliveryStore(database)


@pytest.fixture
def finish(database: Database, ask: Any) -> Finish:
    """Records a job with a webhook, from its beginning to its end."""

    async def record(url: str, tenant: str = "acme", *, times: int = 1, **fields: Any) -> str:
        job_id = new_job_id(tenant, job_pb2.PRIORITY_NORMAL)
        accepted = event_pb2.Accepted(tenant=tenant, request=ask(webhook_url=url, **fields))
        events = [
            event_pb2.JobEvent(job_id=job_id, sequence=1, accepted=accepted),
            event_pb2.JobEvent(job_id=job_id, sequence=2, done=event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED)),
        ]
        for event in events:
            event.time.FromDatetime(datetime.now(UTC))
        for _ in range(times):
            await RecordStore(database).save(rows(events))
        return job_id

    return record


@pytest.fixture
def notifying(database: Database) -> Notifying:
    """Runs a notifier, as one of its replicas does."""

    @asynccontextmanager
    async def run(pace: Pace = QUICK, database: Database = database) -> AsyncIterator[None]:
        schedule = Backoff(first_s=0.02, longest_s=0.02, tries=3)
        async with (
            Resolver(pace.at_once) as resolver,
            HttpSender(resolver.resolve, limit_s=5.0, allow_private=True) as poster,
        ):
            notifier = Notifier(
                WebhookOutbox(database), SecretAdmin(SecretStore(database), KEY), poster, schedule, pace
            )
            async with running("notifier", notifier.notify):
                yield

    return run
