"""The notifier on a real PostgreSQL: fair between tenants, shared by replicas, and patient."""

import asyncio
from typing import Any

from tests.gateway.webhooks.notifying import Finish, Notifying, delivery, settled

from weft.gateway.v1 import webhook_pb2
from weft_gateway.postgres import record_database
from weft_gateway.webhooks.notifier import Pace
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.postgres_outbox import WebhookOutbox


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
