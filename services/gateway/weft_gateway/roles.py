"""The roles that run beside the server or in separate processes: recorder and notifier."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from weft_gateway.audit.postgres_audit import AuditStore
from weft_gateway.audit.retention import drop_old_events
from weft_gateway.config import Config
from weft_gateway.record.batch_writer import BatchWriter
from weft_gateway.record.postgres_dead_letters import DeadLetterStore
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.reaper import Reaper
from weft_gateway.record.recorder import record
from weft_gateway.record.retention import RetentionSweeper
from weft_gateway.webhooks.backoff import Backoff
from weft_gateway.webhooks.http_sender import HttpSender
from weft_gateway.webhooks.notifier import Notifier, Pace, SilentNotifier
from weft_gateway.webhooks.postgres_outbox import WebhookOutbox
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_gateway.webhooks.resolver import Resolver
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_gateway.webhooks.signing import webhooks_off
from weft_kit.catalog.watch import WatchedCatalog
from weft_kit.joblog import JobLog
from weft_kit.stores.postgres import Database
from weft_kit.tasks import running


@asynccontextmanager
async def recorder(
    config: Config, log: JobLog, records: RecordStore, database: Database, catalog: WatchedCatalog
) -> AsyncIterator[None]:
    """Maintains the record while the context lasts: writes it, ends lost jobs, and deletes what is past retention."""
    writer = BatchWriter(records, DeadLetterStore(database))
    recording = partial(record, log, writer, max_batch=config.recorder_batch, max_wait_s=config.recorder_wait_s)
    # Two ack waits: one until a lost worker's job is handed to another, one for that one to end it.
    reaper = Reaper(log, records, grace_s=2 * config.log.ack_wait_s, poll_s=config.reaper_poll_s)
    # A job's last event is written within the log's retention, and stays in the log for as long again.
    sweeper = RetentionSweeper(
        ErasureStore(database),
        lambda tenant: catalog.current.retention_of(tenant),  # noqa: PLW0108  # the catalog in force changes
        least_s=2 * config.log.retention_s,
        poll_s=config.retention_poll_s,
        batch=config.retention_batch,
    )
    keep_audit = partial(
        drop_old_events,
        AuditStore(database),
        days=config.audit_days,
        poll_s=config.retention_poll_s,
        batch=config.retention_batch,
    )
    async with (
        running("recorder", recording),
        running("reaper", reaper.watch),
        running("retention", sweeper.watch),
        running("audit retention", keep_audit),
    ):
        yield


@asynccontextmanager
async def notifier(config: Config, database: Database) -> AsyncIterator[None]:
    """Sends webhooks while the context lasts; without a signing key it records for each that none is sent."""
    outbox = WebhookOutbox(database)
    if not config.webhook_signing_key:
        silent = SilentNotifier(outbox, webhooks_off().message, poll_s=config.webhook_poll_s)
        async with running("notifier", silent.notify):
            yield
        return
    limit_s, allow_private = config.webhook_limit_s, config.webhook_allow_private
    schedule = Backoff(config.webhook_first_wait_s, config.webhook_longest_wait_s, config.webhook_tries)
    pace = Pace(
        at_once=config.webhooks_at_once,
        at_once_per_tenant=config.webhooks_at_once_per_tenant,
        poll_s=config.webhook_poll_s,
        drain_s=config.grace_s,
    )
    async with (
        Resolver(config.webhooks_at_once) as resolver,
        HttpSender(resolver.resolve, limit_s=limit_s, allow_private=allow_private) as poster,
    ):
        sender = Notifier(outbox, webhook_secrets(config, database), poster, schedule, pace)
        async with running("notifier", sender.notify):
            yield


def webhook_secrets(config: Config, database: Database) -> SecretAdmin:
    """Returns what makes and tells the secrets of webhooks."""
    store = SecretStore(database, limit_s=config.read_limit_s)
    return SecretAdmin(store, config.webhook_signing_key.get_secret_value())
