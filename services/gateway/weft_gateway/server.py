"""How the gateway is assembled."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from weft_gateway.audit.audit import AuditLog
from weft_gateway.auth.authenticator import Authenticator, CallRates
from weft_gateway.auth.key_admin import KeyAdmin
from weft_gateway.auth.key_cache import KeyCache, Life
from weft_gateway.auth.redis_limiter import RedisLimiter
from weft_gateway.auth.revocations import Revocations
from weft_gateway.config import Config
from weft_gateway.jobs.deletion import JobDeletion
from weft_gateway.jobs.disconnects import Disconnects
from weft_gateway.jobs.jobs import Jobs
from weft_gateway.jobs.long_polls import LongPolls
from weft_gateway.jobs.readers import Readers
from weft_gateway.postgres import record_database
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.roles import notifier, recorder, webhook_secrets
from weft_gateway.services import (
    GATEWAY,
    ForwardedServices,
    Stores,
    audit_service,
    gateway_service,
    key_service,
    log_needs,
    postgres_need,
    tenant_service,
    webhook_service,
)
from weft_gateway.submission import batch
from weft_gateway.submission.admission import JobAdmission
from weft_gateway.submission.budgets import BudgetChecks
from weft_gateway.submission.cache_lookup import CacheLookup
from weft_gateway.submission.envelope import EnvelopeRules
from weft_gateway.submission.log_capacity import LogCapacity
from weft_gateway.submission.quota import Quota
from weft_gateway.tenants.collections import TenantCollections
from weft_gateway.tenants.deletion import TenantDeletion
from weft_kit import metrics
from weft_kit.catalog.catalog import Catalog, TenantShare
from weft_kit.catalog.service import catalog_service
from weft_kit.catalog.watch import WatchedCatalog, last_good_beside
from weft_kit.joblog import END_BYTES, JobLog, connect
from weft_kit.mesh_id import OtherMesh
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.readiness import Readiness
from weft_kit.rpc.server import Server, Service
from weft_kit.stores.ownership import claim_redis
from weft_kit.stores.postgres import Database
from weft_kit.stores.redis_connection import PackedConnection
from weft_kit.tasks import background, running

ROLES: Final = ("serve", "recorder", "notifier")

# How long a start waits for PostgreSQL to confirm its mesh. If PostgreSQL is down the gateway starts without.
_IDENTITY_S: Final = 2.0

# Ids, and protobuf's overhead for a thousand requests.
_AROUND_REQUESTS: Final = 256 * 1024


@asynccontextmanager
async def gateway(config: Config, roles: Collection[str] = ROLES) -> AsyncIterator[Server | None]:
    """Runs the roles asked for. Yields the server, or None without "serve".

    Raises:
        CatalogError: first.
        OtherMesh: NATS, PostgreSQL or Redis is another mesh's.
    """
    catalog = await _catalog(config) if {"serve", "recorder"} & set(roles) else None
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        database = await stack.enter_async_context(
            record_database(config.postgres_url, connections=config.postgres_connections, mesh_id=config.mesh_id)
        )
        await database.identity(_IDENTITY_S)
        if "notifier" in roles:
            await stack.enter_async_context(notifier(config, database))
        if catalog is None:
            await stack.enter_async_context(Readiness((postgres_need(database),)))
            yield None
            return
        nats = await stack.enter_async_context(connect(config.nats_url, "gateway"))
        log = JobLog(nats, config.log.of_mesh(config.mesh_id))
        await stack.enter_async_context(log.watched())
        log.check_carries(config.max_request_bytes + END_BYTES, "WEFT_GATEWAY_MAX_REQUEST_BYTES")
        await stack.enter_async_context(_bound(log, database))
        records = RecordStore(database, limit_s=config.read_limit_s)
        if "recorder" in roles:
            await stack.enter_async_context(recorder(config, log, records, database, catalog))
        if "serve" not in roles:
            await stack.enter_async_context(_following(catalog, config.catalog_poll_s))
            await stack.enter_async_context(Readiness((*log_needs(log), postgres_need(database))))
            yield None
            return
        yield await stack.enter_async_context(_server(config, catalog, database, log, records))


@asynccontextmanager
async def _bound(log: JobLog, database: Database) -> AsyncIterator[None]:
    """Binds the log to the database: before the first job if both answer, otherwise as soon as they do."""

    async def bind_later() -> None:
        identity = await database.identity()
        with suppress(OtherMesh):  # the log's monitor finds the same, and it is not used
            await log.claim(identity)

    if identity := await database.identity(_IDENTITY_S):
        await log.claim(identity)
        yield
        return
    async with background(bind_later()):
        yield


@asynccontextmanager
async def _server(
    config: Config, catalog: WatchedCatalog, database: Database, log: JobLog, records: RecordStore
) -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        peers = await stack.enter_async_context(ForwardedServices.connected(config))
        redis = await stack.enter_async_context(_redis(config))
        with suppress(TimeoutError):
            async with asyncio.timeout(config.read_limit_s):
                await claim_redis(redis, config.mesh_id)
        stores = Stores.of(config, database)
        key_cache = KeyCache(stores.keys.find, Life(config.key_fresh_s, config.key_stale_s, config.key_absent_s))
        audit = AuditLog(stores.audit)
        gate = _authenticator(config, redis, key_cache, audit)
        answers = CacheLookup(peers.cache, peers.retrieval, lambda: catalog.current, limit_s=config.cache_limit_s)
        budgets = _budgets(config, redis, catalog, key_cache)
        admission = await stack.enter_async_context(_admission(config, catalog, log, answers, budgets))
        readers, disconnects = await stack.enter_async_context(_readers(log))
        long_polls = LongPolls()
        deletion = JobDeletion(log, stores.erasure, peers.cache)
        jobs = Jobs(log, records, admission, readers, disconnects, long_polls, gate.charge, deletion)
        services = (
            gateway_service(jobs, budgets, stores.pages),
            tenant_service(_tenant_deletion(config, log, stores, deletion, peers, key_cache)),
            key_service(KeyAdmin(stores.keys, key_cache), stores.pages, config.key_fresh_s),
            webhook_service(stores.deliveries, webhook_secrets(config, database), stores.pages),
            audit_service(stores.audit, stores.pages),
            catalog_service(catalog),
            *peers.services(config.forward_limit_s),
        )
        needs = (*log_needs(log), postgres_need(database), *peers.needs())
        readiness = await stack.enter_async_context(Readiness(needs))
        server = _listener(config, services, gate, audit, readiness)
        await stack.enter_async_context(server)
        revocations = Revocations(server.calls, stores.keys.good, key_cache, fresh_s=config.key_fresh_s)
        await stack.enter_async_context(running("revocations", revocations.watch))
        # Before the server drains: whoever only waits need not hold it up.
        stack.callback(long_polls.end)
        await stack.enter_async_context(_following(catalog, config.catalog_poll_s))
        yield server


@asynccontextmanager
async def _readers(log: JobLog) -> AsyncIterator[tuple[Readers, Disconnects]]:
    readers = Readers(log.client, log.config.stream)
    disconnects = Disconnects(log, readers)
    async with readers.answering(), disconnects.serving():
        yield readers, disconnects


def _authenticator(config: Config, redis: "redis.asyncio.Redis", key_cache: KeyCache, audit: AuditLog) -> Authenticator:
    limiter = RedisLimiter(redis, fallback=config.rate_fallback, limit_s=config.redis_limit_s)
    rates = CallRates(config.calls_per_minute, config.address_calls_per_minute, config.rate_burst_s)
    return Authenticator(key_cache, limiter, rates, config.operator_token.get_secret_value(), audit)


def _budgets(
    config: Config, redis: "redis.asyncio.Redis", catalog: WatchedCatalog, key_cache: KeyCache
) -> BudgetChecks:
    return BudgetChecks(
        redis,
        lambda: catalog.current,
        key_cache.find,
        fallback=config.budget_fallback,
        limit_s=config.redis_limit_s,
        read_limit_s=config.read_limit_s,
    )


def _tenant_deletion(
    config: Config, log: JobLog, stores: Stores, deletion: JobDeletion, peers: ForwardedServices, key_cache: KeyCache
) -> TenantDeletion:
    return TenantDeletion(
        log,
        stores.erasure,
        deletion,
        TenantCollections(peers.retrieval),
        stores.keys,
        key_cache,
        stores.secrets,
        fresh_s=config.key_fresh_s,
    )


def _listener(
    config: Config, services: Sequence[Service], gate: Authenticator, audit: AuditLog, readiness: Readiness
) -> Server:
    return Server(
        config.listen,
        services,
        grace_s=config.grace_s,
        gate=gate,
        accounts=audit.account,
        limits=_limits(config),
        readiness=readiness,
    )


async def _catalog(config: Config) -> WatchedCatalog:
    last_good = config.catalog_last_good or last_good_beside(config.catalog_file, "gateway")
    return await WatchedCatalog.opened(config.catalog_file, last_good)


def _following(catalog: WatchedCatalog, poll_s: float) -> AbstractAsyncContextManager[None]:
    async def wait_for_routers(_: Catalog) -> None:
        """Waits so that routers come first: a job for a new alias must not reach a router that does not know it yet."""
        await asyncio.sleep(2 * poll_s)

    return catalog.following(wait_for_routers, poll_s)


@asynccontextmanager
async def _admission(
    config: Config, catalog: WatchedCatalog, log: JobLog, answers: CacheLookup, budgets: BudgetChecks
) -> AsyncIterator[JobAdmission]:
    async def unfinished(tenant: str) -> int:
        return (await log.depth(tenant)).unfinished

    def share(tenant: str) -> TenantShare:
        return catalog.current.share(tenant)

    quota = Quota(unfinished, lambda tenant: share(tenant).max_unfinished)
    room = LogCapacity(log)
    async with running("room", room.watch), quota.counting():
        envelope_rules = _envelope_rules(config, catalog)
        admission = JobAdmission(log, answers, envelope_rules, quota, budgets, room, share)
        async with admission.open():
            yield admission


def _envelope_rules(config: Config, catalog: WatchedCatalog) -> EnvelopeRules:
    webhooks = bool(config.webhook_signing_key)
    return EnvelopeRules(
        lambda: catalog.current.models,
        config.max_request_bytes,
        config.default_timeout_s,
        config.log.retention_s,
        webhooks,
    )


def _limits(config: Config) -> RequestLimits:
    """What requests themselves may contain is checked by their own rules, which name their field."""
    one_bytes = config.max_request_bytes + _AROUND_REQUESTS
    largest_bytes = {
        f"/{GATEWAY}/SubmitJob": one_bytes,
        f"/{GATEWAY}/Generate": one_bytes,
        f"/{GATEWAY}/SubmitJobs": batch.LARGEST_BYTES + _AROUND_REQUESTS,
    }
    # Behind a proxy, where addresses are not counted, a connection is not one caller either.
    return RequestLimits(
        largest_bytes, config.held_request_bytes, separates_peers=bool(config.address_calls_per_minute)
    )


def _redis(config: Config) -> "redis.asyncio.Redis":
    # No retries: a call would wait for them, and the limiter has a better fallback. No time limit either: each exchange
    # has its own, and redis-py's starts a task for every command.
    retry = Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_url(
        config.redis_url,
        connection_class=PackedConnection,
        socket_timeout=None,
        socket_connect_timeout=None,
        retry=retry,
    )
