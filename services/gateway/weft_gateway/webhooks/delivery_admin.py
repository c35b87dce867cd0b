"""What tenants can do with the deliveries of their webhooks: list them, and have one sent again."""

from weft.common.v1 import error_pb2
from weft_gateway.pages import Position
from weft_gateway.webhooks.deliveries import Delivery
from weft_gateway.webhooks.delivery_query import DeliveryQuery
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_kit.rpc.errors import NotFound


class DeliveryAdmin:
    """Raises DependencyDown while PostgreSQL is down."""

    def __init__(self, store: DeliveryStore, secrets: SecretAdmin) -> None:
        self._store = store
        self._secrets = secrets

    async def page(self, query: DeliveryQuery) -> tuple[list[Delivery], Position | None]:
        """Returns deliveries from newest to oldest, and where the next page begins."""
        found = await self._store.page(query)
        page = found[: query.size]
        return page, (page[-1].create_time, page[-1].job_id) if len(found) > query.size else None

    async def redeliver(self, tenant: str, job_id: str) -> Delivery:
        """Returns a delivery, due at once with a new series of attempts.

        Raises NotFound; FailedPrecondition where nothing signs it.
        """
        self._secrets.check_on()
        delivery = await self._store.redeliver(tenant, job_id)
        if delivery is None:
            message = "no such delivery: the job has no webhook_url, has not ended yet, or is not of the key's tenant"
            raise NotFound(error_pb2.ERROR_REASON_DELIVERY_NOT_FOUND, message)
        return delivery
