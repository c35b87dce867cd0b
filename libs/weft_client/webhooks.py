"""A tenant's webhooks: the outcome of each, redelivery, and the secrets that sign them."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter

from weft.gateway.v1 import webhook_pb2 as pb
from weft.gateway.v1 import webhook_pb2_grpc as rpc
from weft_client.connection import Connection
from weft_client.pages import first
from weft_kit.rpc.time import duration


class Webhooks:
    """WebhookService behind the gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = rpc.WebhookServiceStub(connection.raw)

    async def deliveries(
        self, limit: int = 50, *, job_id: str = "", states: Sequence[pb.DeliveryState.ValueType] = ()
    ) -> list[pb.Delivery]:
        """Returns the newest deliveries, each with its attempts."""
        ask = partial(self._connection.ask, self._stub.ListDeliveries)
        asked = pb.ListDeliveriesRequest(job_id=job_id, states=states)
        return await first(limit, ask, asked, attrgetter("deliveries"))

    async def redeliver(self, job_id: str) -> pb.Delivery:
        """Sends a job's webhook again, whatever its state."""
        asked = pb.RedeliverWebhookRequest(job_id=job_id)
        return (await self._connection.ask(self._stub.RedeliverWebhook, asked)).delivery

    async def secrets(self) -> Sequence[pb.WebhookSecret]:
        """Returns the secrets that sign webhooks now, newest first."""
        return (await self._connection.ask(self._stub.ListWebhookSecrets, pb.ListWebhookSecretsRequest())).secrets

    async def rotate(self, overlap_s: float | None = None) -> Sequence[pb.WebhookSecret]:
        """Creates a new secret; the previous one also signs for `overlap_s`, by default a day.

        Never retried: a second rotation would end the secret that receivers know.
        """
        asked = pb.RotateWebhookSecretRequest()
        if overlap_s is not None:
            asked.overlap.CopyFrom(duration(overlap_s))
        return (await self._connection.ask_once(self._stub.RotateWebhookSecret, asked)).secrets
