"""WebhookService's RPCs."""

from dataclasses import replace

from weft.gateway.v1 import webhook_pb2 as pb
from weft.gateway.v1 import webhook_pb2_grpc as rpc
from weft_gateway.pages import Pages
from weft_gateway.webhooks.deliveries import Delivery, Try
from weft_gateway.webhooks.delivery_admin import DeliveryAdmin
from weft_gateway.webhooks.delivery_query import read_delivery_query
from weft_gateway.webhooks.secrets import Secret, SecretAdmin
from weft_kit.rpc.context import current_tenant
from weft_kit.rpc.time import elapsed, seconds_of, timestamp


class WebhookServicer(rpc.WebhookServiceServicer):
    def __init__(self, deliveries: DeliveryAdmin, secrets: SecretAdmin, pages: Pages) -> None:
        self._deliveries = deliveries
        self._secrets = secrets
        self._pages = pages

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, _: object) -> pb.ListDeliveriesResponse:
        query = read_delivery_query(current_tenant(), request)
        before = await self._pages.read(request.page_token, *query.scope)
        page, position = await self._deliveries.page(replace(query, before=before))
        token = await self._pages.write(position, *query.scope)
        return pb.ListDeliveriesResponse(deliveries=map(_delivery, page), next_page_token=token)

    async def RedeliverWebhook(self, request: pb.RedeliverWebhookRequest, _: object) -> pb.RedeliverWebhookResponse:
        delivery = await self._deliveries.redeliver(current_tenant(), request.job_id)
        return pb.RedeliverWebhookResponse(delivery=_delivery(delivery))

    async def ListWebhookSecrets(self, _: pb.ListWebhookSecretsRequest, __: object) -> pb.ListWebhookSecretsResponse:
        secrets = await self._secrets.current(current_tenant())
        return pb.ListWebhookSecretsResponse(secrets=map(_secret, secrets))

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, _: object
    ) -> pb.RotateWebhookSecretResponse:
        overlap_s = seconds_of(request.overlap) if request.HasField("overlap") else None
        secrets = await self._secrets.rotate(current_tenant(), overlap_s)
        return pb.RotateWebhookSecretResponse(secrets=map(_secret, secrets))


def _delivery(delivery: Delivery) -> pb.Delivery:
    return pb.Delivery(
        job_id=delivery.job_id,
        url=delivery.url,
        state=pb.DeliveryState.ValueType(delivery.state),
        create_time=timestamp(delivery.create_time),
        next_try_time=timestamp(delivery.next_time) if delivery.next_time else None,
        tries=map(_try, delivery.tries),
    )


def _try(made: Try) -> pb.DeliveryTry:
    return pb.DeliveryTry(
        time=timestamp(made.time),
        duration=elapsed(made.duration_s),
        http_status=made.http_status,
        outcome=made.outcome,
    )


def _secret(secret: Secret) -> pb.WebhookSecret:
    return pb.WebhookSecret(
        secret=secret.text,
        create_time=timestamp(secret.create_time),
        expire_time=timestamp(secret.expire_time) if secret.expire_time else None,
    )
