"""The notifier: sends the record of finished jobs to their webhooks.

The recorder writes a delivery in the statement that records the end of a job, so a delivery is as durable as the
record, and jobs without a webhook cost nothing. Delivery is at least once, under one id: the job's.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import prometheus_client
import stamina
import structlog

from weft_gateway.webhooks.backoff import Backoff
from weft_gateway.webhooks.deliveries import DeliveryOutcome, Due, Try
from weft_gateway.webhooks.fair_share import share_places
from weft_gateway.webhooks.http_sender import HttpSender
from weft_gateway.webhooks.payload import payload
from weft_gateway.webhooks.postgres_outbox import WebhookOutbox
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_gateway.webhooks.signing import signed_headers
from weft_kit.outages import Reminders
from weft_kit.rpc.errors import DependencyDown

TRIES = prometheus_client.Counter("weft_gateway_webhook_tries", "Tries to deliver a webhook.", ["outcome"])
TRY_SECONDS = prometheus_client.Histogram("weft_gateway_webhook_try_seconds", "How long tries took.")
LATE_SECONDS = prometheus_client.Histogram(
    "weft_gateway_webhook_late_seconds",
    "From when a try was due to when it began.",
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
IN_FLIGHT = prometheus_client.Gauge("weft_gateway_webhook_tries_in_flight", "Tries under way.")
GIVEN_UP = prometheus_client.Counter("weft_gateway_webhooks_given_up", "Webhooks that will not be tried again.")

_until_postgres_answers: Final = partial(
    stamina.retry_context, DependencyDown, attempts=None, timeout=None, wait_max=2.0
)

_UNTOLD: Final = "what became of it cannot be kept; the gateway's log says why"


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, and how long."""

    at_once: int = 64
    """Attempts in progress in this process."""
    at_once_per_tenant: int = 8
    """The same for one tenant, which limits what a tenant whose targets hang can take from the others."""
    poll_s: float = 0.5
    lease_s: float = 90.0
    """Longer than an attempt, so that a claim expires only if its notifier died."""
    drain_s: float = 10.0
    """How long attempts may take to finish once the notifier is told to stop."""


class Notifier:
    """Starts an attempt whenever a webhook is due and a slot is free."""

    def __init__(
        self, outbox: WebhookOutbox, secrets: SecretAdmin, poster: HttpSender, schedule: Backoff, pace: Pace
    ) -> None:
        self._outbox = outbox
        self._secrets = secrets
        self._poster = poster
        self._schedule = schedule
        self._pace = pace
        self._tries: dict[asyncio.Task[None], str] = {}
        self._details = Reminders()
        self._log = structlog.get_logger()

    async def notify(self) -> None:
        """Runs until cancelled; attempts in progress may then finish. While PostgreSQL is down it waits."""
        try:
            while True:
                async for attempt in _until_postgres_answers():
                    with attempt:
                        await self._start_what_is_due()
                await self._wait()
        finally:
            await self._drain()

    async def _start_what_is_due(self) -> None:
        free = self._pace.at_once - len(self._tries)
        if not free:
            return
        due = await self._outbox.due_tenants()
        places = share_places(free, due, Counter(self._tries.values()), self._pace.at_once_per_tenant)
        if not places:
            return
        secrets = await self._secrets.signing(places)
        for claimed in await self._outbox.claim(places, self._pace.lease_s):
            self._start(claimed, secrets[claimed.tenant])

    def _start(self, due: Due, secrets: Sequence[bytes]) -> None:
        LATE_SECONDS.observe(due.late_s)
        task = asyncio.create_task(self._try(due, secrets))
        self._tries[task] = due.tenant
        task.add_done_callback(self._tries.pop)

    async def _try(self, due: Due, secrets: Sequence[bytes]) -> None:
        began, clock = datetime.now(UTC), time.perf_counter()
        with IN_FLIGHT.track_inprogress():
            outcome = await self._post(due, secrets, int(began.timestamp()))
        # The time that a name took to resolve would distinguish it from one that does not exist.
        took_s = 0.0 if outcome.detail else time.perf_counter() - clock
        made = Try(began, took_s, outcome.http_status, outcome.text)
        next_s = self._next_s(due, outcome)
        try:
            await self._settle(due, made, outcome, next_s)
        except Exception:  # noqa: BLE001
            # It would be sent again whenever its claim expires, for ever.
            self._log.exception("what became of a webhook cannot be kept", job_id=due.job_id)
            await self._settle(due, replace(made, outcome=_UNTOLD), outcome, next_s)
        self._count(due, made, outcome, next_s)

    async def _settle(self, due: Due, made: Try, outcome: DeliveryOutcome, next_s: float | None) -> None:
        # A delivered webhook must not be sent again because PostgreSQL was down for a moment.
        async for attempt in _until_postgres_answers():
            with attempt:
                await self._outbox.settle(due, made, outcome, next_s)

    async def _post(self, due: Due, secrets: Sequence[bytes], timestamp: int) -> DeliveryOutcome:
        try:
            body = payload(due.job_id, due.events)
        except Exception:  # noqa: BLE001
            # A further attempt would find the same record.
            self._log.exception("webhook cannot be written", job_id=due.job_id)
            text = "not sent: the job's record cannot be written as JSON; the gateway's log says why"
            return DeliveryOutcome(text, final=True)
        try:
            return await self._poster.post(due.url, signed_headers(secrets, due.job_id, timestamp, body), body)
        except Exception:  # noqa: BLE001
            # A webhook that cannot even be attempted is our bug, and must not stop those behind it.
            self._log.exception("webhook not sent", job_id=due.job_id)
            return DeliveryOutcome("not sent: an internal error, which the operator finds in the log")

    def _next_s(self, due: Due, outcome: DeliveryOutcome) -> float | None:
        if outcome.delivered or outcome.final:
            return None
        return self._schedule.next_s(due.tries_made + 1, outcome.retry_after_s, random.random())  # noqa: S311  # jitter

    def _count(self, due: Due, made: Try, outcome: DeliveryOutcome, next_s: float | None) -> None:
        TRIES.labels("delivered" if outcome.delivered else "failed").inc()
        TRY_SECONDS.observe(made.duration_s)
        if outcome.detail and self._details.due(time.monotonic()):
            details = {"url": due.url, "detail": outcome.detail, "held_back": self._details.held_back}
            self._log.warning("webhook has no public address", job_id=due.job_id, tenant=due.tenant, **details)
        if next_s is None and not outcome.delivered:
            GIVEN_UP.inc()
            self._log.warning("webhook given up", job_id=due.job_id, outcome=outcome.text, detail=outcome.detail)

    async def _wait(self) -> None:
        """Returns when there may be more to do: an attempt ended, or time passed."""
        if self._tries:
            await asyncio.wait(self._tries, timeout=self._pace.poll_s, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._pace.poll_s)

    async def _drain(self) -> None:
        if not self._tries:
            return
        _, late = await asyncio.wait(self._tries, timeout=self._pace.drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class SilentNotifier:
    """Replaces the notifier where webhooks cannot be signed: it sends nothing, and says so for each one that is due."""

    def __init__(self, outbox: WebhookOutbox, reason: str, *, poll_s: float = 0.5) -> None:
        self._outbox = outbox
        self._reason = reason
        self._poll_s = poll_s
        self._log = structlog.get_logger()

    async def notify(self) -> None:
        """Runs until cancelled. Raises DependencyDown while PostgreSQL is down."""
        while True:
            count = await self._outbox.say(Try(datetime.now(UTC), 0.0, 0, f"not sent: {self._reason}"))
            if count:
                self._log.warning("webhooks wait", count=count, reason=self._reason)
            await asyncio.sleep(self._poll_s)
