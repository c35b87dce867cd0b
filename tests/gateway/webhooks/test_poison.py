"""A webhook that cannot be written, or whose outcome cannot be kept, is settled alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psycopg
from google.protobuf.duration_pb2 import Duration
from structlog.testing import capture_logs
from tests.gateway.webhooks.notifying import KEY, QUICK, Finish, Notifying, settled

from weft.gateway.v1 import webhook_pb2
from weft_gateway.webhooks.backoff import Backoff
from weft_gateway.webhooks.deliveries import DeliveryOutcome
from weft_gateway.webhooks.http_sender import HttpSender
from weft_gateway.webhooks.notifier import Notifier
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.postgres_outbox import WebhookOutbox
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_gateway.webhooks.resolver import Resolver
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_kit.stores.postgres import Database
from weft_kit.tasks import running


async def test_a_record_that_cannot_be_read_stops_nobody_else(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any, postgres_url: str
) -> None:
    damaged, whole = await finish(receiver.url), await finish(receiver.url)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as session:
        await session.execute("UPDATE jobs SET done = 'damaged' WHERE job_id = %s", (damaged,))
    async with notifying():
        assert (await settled(store, whole)).state == webhook_pb2.DELIVERY_STATE_DELIVERED
        found = await settled(store, damaged)
    assert found.state == webhook_pb2.DELIVERY_STATE_FAILED
    (kept,) = found.tries
    assert kept.outcome == "not sent: the job's record cannot be written as JSON; the gateway's log says why"


async def test_a_record_that_cannot_be_converted_is_marked_at_once_and_stops_nobody_else(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    odd = await finish(receiver.url, timeout=Duration(seconds=60, nanos=2_000_000_000))
    whole = await finish(receiver.url)
    async with notifying():
        assert (await settled(store, whole)).state == webhook_pb2.DELIVERY_STATE_DELIVERED
        found = await settled(store, odd)
    assert (found.state, len(found.tries)) == (webhook_pb2.DELIVERY_STATE_FAILED, 1)


class OddPoster(HttpSender):
    """Says of what it posted what PostgreSQL does not take."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> DeliveryOutcome:
        return replace(await super().post(url, headers, body), text="a\0b")


async def test_an_outcome_that_postgres_refuses_is_settled_all_the_same(
    finish: Finish, database: Database, store: DeliveryStore, receiver: Any
) -> None:
    receiver.answers = [200, 410]
    jobs = [await finish(receiver.url) for _ in range(2)]
    secrets = SecretAdmin(SecretStore(database), KEY)
    async with Resolver(4) as resolver, OddPoster(resolver.resolve, limit_s=5.0, allow_private=True) as poster:
        notifier = Notifier(WebhookOutbox(database), secrets, poster, Backoff(0.02, 0.02, 3), QUICK)
        with capture_logs() as lines:
            async with running("notifier", notifier.notify):
                found = [await settled(store, job_id) for job_id in jobs]
                later = await finish(receiver.url)
                found.append(await settled(store, later))
    told = [line["job_id"] for line in lines if line["event"] == "what became of a webhook cannot be kept"]
    assert sorted(told) == sorted([*jobs, later])
    assert receiver.posts.qsize() == 3
    assert sorted(delivery.state for delivery in found) == sorted(
        [webhook_pb2.DELIVERY_STATE_DELIVERED] * 2 + [webhook_pb2.DELIVERY_STATE_FAILED]
    )
    assert {kept.outcome for delivery in found for kept in delivery.tries} == {
        "what became of it cannot be kept; the gateway's log says why"
    }
