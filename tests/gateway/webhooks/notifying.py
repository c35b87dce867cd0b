"""What tests of the notifier look at: one delivery, what became of it, and a pace that keeps nobody waiting."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from tests.support.waiting import until

from weft.gateway.v1 import webhook_pb2
from weft_gateway.webhooks.deliveries import Delivery, Try
from weft_gateway.webhooks.delivery_query import DeliveryQuery
from weft_gateway.webhooks.notifier import Pace
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore

KEY = "k" * 32
QUICK = Pace(poll_s=0.02, drain_s=5.0)


Finish = Callable[..., Awaitable[str]]
Notifying = Callable[..., AbstractAsyncContextManager[None]]


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
