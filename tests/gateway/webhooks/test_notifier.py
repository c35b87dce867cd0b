"""The notifier on a real PostgreSQL: fair between tenants, shared by replicas, and patient."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from structlog.testing import capture_logs
from tests.support.waiting import until

from weft.gateway.v1 import webhook_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway import postgres
from weft_gateway.postgres import record_database
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.rows import rows
from weft_gateway.webhooks.backoff import Backoff
from weft_gateway.webhooks.deliveries import Delivery, DeliveryOutcome, Try
from weft_gateway.webhooks.delivery_query import DeliveryQuery
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

KEY = "k" * 32
QUICK = Pace(poll_s=0.02, drain_s=5.0)

Finish = Callable[..., Awaitable[str]]
Notifying = Callable[..., AbstractAsyncContextManager[None]]


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


async def delivery(store: DeliveryStore, job_id: str, tenant: str = "acme") -> Delivery:
    query = DeliveryQuery(tenant=tenant, job_id=job_id, states=(), before=None, size=1)
    (found,) = await store.page(query)
    return found


async def settled(store: DeliveryStore, job_id: str) -> Delivery:
    """The delivery, once it is over."""

    async def look() -> Delivery | None:
        found = await delivery(store, job_id)
        return found if found.state != webhook_pb2.DELIVERY_STATE_PENDING else None

    return await until("the delivery is over", look, within_s=20)


def made(outcome: str) -> Try:
    return Try(datetime.now(UTC), 0.5, 0, outcome)


async def test_an_end_recorded_twice_is_delivered_once(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    job_id = await finish(receiver.url, times=2)
    async with notifying():
        assert len((await settled(store, job_id)).tries) == 1
    assert receiver.posts.qsize() == 1


async def test_a_tenant_whose_targets_hang_holds_up_nobody_else(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    receiver.open.clear()
    for _ in range(20):
        await finish(receiver.url, "slow")
    async with notifying(Pace(at_once=3, at_once_per_tenant=2, poll_s=0.02, drain_s=0.0)):
        assert {(await receiver.posts.get()).path for _ in range(2)} == {"/hook"}
        for _ in range(3):
            await finish(f"http://localhost:{receiver.port}/at-once", "quick")
            assert (await receiver.posts.get()).path == "/at-once"
    assert receiver.posts.empty()


async def test_replicas_share_the_work(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    jobs = {await finish(receiver.url, f"tenant-{n % 7}") for n in range(40)}
    async with notifying(), notifying(), notifying():
        arrived = [(await receiver.posts.get()).headers["webhook-id"] for _ in jobs]
    assert sorted(arrived) == sorted(jobs)
    assert receiver.posts.empty()


async def test_what_a_notifier_died_with_is_tried_again_after_its_lease(
    finish: Finish, notifying: Notifying, outbox: WebhookOutbox, store: DeliveryStore, receiver: Any
) -> None:
    job_id = await finish(receiver.url)
    (lost,) = await outbox.claim({"acme": 8}, lease_s=0.3)
    assert lost.job_id == job_id
    assert await outbox.claim({"acme": 8}, lease_s=0.3) == []
    assert await outbox.due_tenants() == []
    async with notifying():
        assert (await settled(store, job_id)).state == webhook_pb2.DELIVERY_STATE_DELIVERED


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


async def test_a_webhook_is_not_sent_again_because_postgres_was_away(
    finish: Finish,
    notifying: Notifying,
    store: DeliveryStore,
    receiver: Any,
    postgres_proxy: tuple[Any, str],
) -> None:
    proxy, url = postgres_proxy
    receiver.open.clear()
    job_id = await finish(receiver.url)
    async with record_database(url) as database, notifying(database=database):
        await receiver.posts.get()
        await proxy.cut()
        receiver.open.set()
        await asyncio.sleep(0.2)
        await proxy.mend()
        found = await settled(store, job_id)
        later = await finish(receiver.url)
        assert (await receiver.posts.get()).headers["webhook-id"] == later
    assert (found.state, len(found.tries)) == (webhook_pb2.DELIVERY_STATE_DELIVERED, 1)


async def test_a_notifier_that_is_stopped_finishes_its_tries(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    receiver.open.clear()
    job_id = await finish(receiver.url)
    async with notifying():
        await receiver.posts.get()
        asyncio.get_running_loop().call_later(0.1, receiver.open.set)
    assert (await delivery(store, job_id)).state == webhook_pb2.DELIVERY_STATE_DELIVERED


async def test_a_notifier_that_is_stopped_does_not_wait_for_ever(
    finish: Finish, notifying: Notifying, store: DeliveryStore, receiver: Any
) -> None:
    receiver.open.clear()
    job_id = await finish(receiver.url)
    async with notifying(Pace(poll_s=0.02, drain_s=0.05)):
        await receiver.posts.get()
    assert (await delivery(store, job_id)).state == webhook_pb2.DELIVERY_STATE_PENDING


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
