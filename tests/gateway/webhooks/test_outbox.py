"""What PostgreSQL keeps of webhooks: who may send which, their tries, and the secrets that sign them."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
from tests.gateway.webhooks.notifying import KEY, Finish, Notifying, delivery, made, settled

from weft.gateway.v1 import webhook_pb2
from weft.job.v1 import job_pb2
from weft_gateway import postgres
from weft_gateway.postgres import record_database
from weft_gateway.webhooks.deliveries import DeliveryOutcome
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.postgres_outbox import WebhookOutbox
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_kit.stores.postgres import Database


async def test_a_try_that_lost_its_claim_is_kept_and_decides_nothing(
    finish: Finish, outbox: WebhookOutbox, store: DeliveryStore
) -> None:
    job_id = await finish("https://example.org/")
    (due,) = await outbox.claim({"acme": 1}, lease_s=60)
    await store.redeliver("acme", job_id)
    await outbox.settle(due, made("late"), DeliveryOutcome("late", final=True), None)
    found = await delivery(store, job_id)
    assert (found.state, [kept.outcome for kept in found.tries]) == (webhook_pb2.DELIVERY_STATE_PENDING, ["late"])


async def test_claims_are_shared_out_by_tenant_the_longest_due_first(finish: Finish, outbox: WebhookOutbox) -> None:
    first, second, _ = [await finish("https://example.org/", "a") for _ in range(3)]
    other = await finish("https://example.org/", "b")
    assert sorted(await outbox.due_tenants()) == ["a", "b"]
    claimed = await outbox.claim({"a": 2, "b": 2, "c": 2}, lease_s=60)
    assert sorted(due.job_id for due in claimed) == sorted([first, second, other])


async def test_the_last_fifty_tries_are_kept(finish: Finish, outbox: WebhookOutbox, store: DeliveryStore) -> None:
    job_id = await finish("https://example.org/")
    for number in range(53):
        (due,) = await outbox.claim({"acme": 1}, lease_s=60)
        assert due.tries_made == number
        await outbox.settle(due, made(f"try {number}"), DeliveryOutcome("no"), 0.0)
    found = await delivery(store, job_id)
    assert [kept.outcome for kept in found.tries] == [f"try {number}" for number in range(3, 53)]
    assert found.tries[0].duration_s == 0.5


async def test_a_remark_stands_once_beside_a_webhook_that_waits(
    finish: Finish, outbox: WebhookOutbox, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    job_id = await finish(receiver.url)
    assert [await outbox.say(made("not sent: no key")) for _ in range(2)] == [1, 0]
    found = await delivery(store, job_id)
    assert (found.state, [kept.outcome for kept in found.tries]) == (
        webhook_pb2.DELIVERY_STATE_PENDING,
        ["not sent: no key"],
    )
    async with notifying():
        assert (await settled(store, job_id)).state == webhook_pb2.DELIVERY_STATE_DELIVERED


async def test_rotations_at_the_same_time_leave_two_secrets(database: Database) -> None:
    admin = SecretAdmin(SecretStore(database), KEY)
    await asyncio.gather(*(admin.rotate("acme", 60.0) for _ in range(5)))
    newest, before = await admin.current("acme")
    assert (newest.expire_time, before.expire_time is not None) == (None, True)


async def test_many_who_ask_first_get_one_first_secret(database: Database) -> None:
    admin = SecretAdmin(SecretStore(database), KEY)
    found = await asyncio.gather(*(admin.current("acme") for _ in range(5)), admin.signing(["acme", "other"]))
    assert len({secret.text for secrets in found[:5] for secret in secrets}) == 1
    assert {tenant: len(secrets) for tenant, secrets in found[5].items()} == {"acme": 1, "other": 1}


async def test_what_an_older_gateway_recorded_is_kept_and_delivered(postgres_url: str) -> None:
    folder = Path(postgres.__file__).parent / "migrations"
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as session:
        await session.execute("CREATE TABLE gateway_migrations (name text PRIMARY KEY)")
        for name in ("0001_keys.sql", "0002_jobs.sql"):
            await session.execute((folder / name).read_text().encode())
            await session.execute("INSERT INTO gateway_migrations VALUES (%s)", (name,))
        for job_id in ("due", "over"):
            values = (job_id, "acme", job_pb2.JOB_STATE_SUCCEEDED, "https://example.org/")
            await session.execute(
                "INSERT INTO jobs (job_id, tenant, state, webhook_url) VALUES (%s, %s, %s, %s)", values
            )
            await session.execute("INSERT INTO webhook_deliveries (job_id) VALUES (%s)", (job_id,))
        await session.execute("UPDATE webhook_deliveries SET next_time = NULL WHERE job_id = 'over'")
    async with record_database(postgres_url) as database:
        assert [due.job_id for due in await WebhookOutbox(database).claim({"acme": 8}, lease_s=60)] == ["due"]
        assert (await delivery(DeliveryStore(database), "over")).state == webhook_pb2.DELIVERY_STATE_FAILED


async def test_what_earlier_tries_told_of_addresses_is_told_no_more(
    finish: Finish, outbox: WebhookOutbox, store: DeliveryStore, postgres_url: str
) -> None:
    job_id = await finish("https://example.org/")
    for told in ("refused: 10.0.0.1 is not a public address", "not reachable: gaierror", "HTTP 500"):
        (due,) = await outbox.claim({"acme": 1}, lease_s=60)
        await outbox.settle(due, made(told), DeliveryOutcome("no"), 0.0)
    migration = Path(postgres.__file__).parent / "migrations" / "0011_webhook_outcomes.sql"
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as session:
        await session.execute(migration.read_bytes())
    alike = "not reachable: the name has no public address"
    assert [kept.outcome for kept in (await delivery(store, job_id)).tries] == [alike, alike, "HTTP 500"]
