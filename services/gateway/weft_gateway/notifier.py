"""The notifier: posts the record of finished jobs to whom they asked for.

The recorder writes a delivery in the statement that records the end of a job, so what has to be posted is as durable
as the record, and jobs without a webhook cost nothing. Delivery is at least once, under one id: the job's.
"""

import asyncio
from typing import Final

import structlog
from google.protobuf.json_format import MessageToJson
from prometheus_client import Counter

from weft_gateway.httpx_webhooks import WebhookPoster
from weft_gateway.postgres_deliveries import Delivery, DeliveryStore
from weft_gateway.webhooks import Backoff
from weft_kit.joblog import project

POSTS = Counter("weft_gateway_webhook_posts", "Tries to deliver a webhook.", ["outcome"])

_AT_ONCE: Final = 32
# Longer than any try, so that only a replica that died lets go of a claim.
_LEASE_S: Final = 60.0


class Notifier:
    """Delivers what is due, and looks every `poll_s` for more."""

    def __init__(self, deliveries: DeliveryStore, poster: WebhookPoster, backoff: Backoff, *, poll_s: float) -> None:
        self._deliveries = deliveries
        self._poster = poster
        self._backoff = backoff
        self._poll_s = poll_s
        self._log = structlog.get_logger()

    async def notify(self) -> None:
        """Runs for ever. Raises DependencyDown while PostgreSQL is down."""
        while True:
            due = await self._deliveries.claim(_AT_ONCE, _LEASE_S)
            await asyncio.gather(*map(self._deliver, due))
            if len(due) < _AT_ONCE:
                await asyncio.sleep(self._poll_s)

    async def _deliver(self, delivery: Delivery) -> None:
        record = MessageToJson(project(delivery.job_id, delivery.events), indent=None)
        outcome = await self._poster.post(delivery.url, delivery.job_id, record.encode())
        over = outcome.delivered or outcome.final
        next_s = None if over else self._backoff.next_s(delivery.attempts)
        await self._deliveries.settle(delivery.job_id, outcome, next_s)
        POSTS.labels("delivered" if outcome.delivered else "failed").inc()
        if not outcome.delivered and next_s is None:
            self._log.warning("webhook given up", job_id=delivery.job_id, outcome=outcome.text)
