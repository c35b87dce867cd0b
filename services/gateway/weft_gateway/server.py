"""How the gateway is assembled."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import redis.asyncio
from google.protobuf.descriptor import ServiceDescriptor
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from weft.cache.v1 import cache_pb2
from weft.gateway.v1 import audit_pb2_grpc, gateway_pb2_grpc, tenant_pb2_grpc, webhook_pb2_grpc
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_gateway.audit.audit import AuditLog
from weft_gateway.audit.postgres_audit import AuditStore
from weft_gateway.audit.servicer import AuditServicer
from weft_gateway.auth.authenticator import Authenticator, CallRates
from weft_gateway.auth.key_admin import KeyAdmin
from weft_gateway.auth.key_cache import KeyCache, Life
from weft_gateway.auth.postgres_keys import KeyStore
from weft_gateway.auth.redis_limiter import RedisLimiter
from weft_gateway.auth.revocations import Revocations
from weft_gateway.auth.servicer import KeyServicer
from weft_gateway.config import Config
from weft_gateway.forwarding import forwarded
from weft_gateway.jobs.deletion import JobDeletion
from weft_gateway.jobs.disconnects import Disconnects
from weft_gateway.jobs.jobs import Jobs
from weft_gateway.jobs.long_polls import LongPolls
from weft_gateway.jobs.readers import Readers
from weft_gateway.pages import Pages
from weft_gateway.postgres import record_database
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.roles import notifier, recorder, secret_desk
from weft_gateway.servicer import GatewayServicer
from weft_gateway.submission import batch
from weft_gateway.submission.admission import JobAdmission
from weft_gateway.submission.budgets import BudgetChecks
from weft_gateway.submission.cache_lookup import CacheLookup
from weft_gateway.submission.envelope import EnvelopeRules
from weft_gateway.submission.log_capacity import LogCapacity
from weft_gateway.submission.quota import Quota
from weft_gateway.tenants.collections import TenantCollections
from weft_gateway.tenants.deletion import TenantDeletion
from weft_gateway.tenants.servicer import TenantServicer
from weft_gateway.webhooks.delivery_admin import DeliveryAdmin
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_gateway.webhooks.servicer import WebhookServicer
from weft_kit import metrics
from weft_kit.catalog.catalog import Catalog, TenantShare
from weft_kit.catalog.service import catalog_service
from weft_kit.catalog.watch import WatchedCatalog, last_good_beside
from weft_kit.joblog import END_BYTES, JobLog, connect
from weft_kit.mesh_id import OtherMesh
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.health import peer_need
from weft_kit.rpc.readiness import WHOLE, Need, Readiness
from weft_kit.rpc.server import Server, Service
from weft_kit.stores.ownership import claim_redis
from weft_kit.stores.postgres import Database
from weft_kit.tasks import background, running

ROLES: Final = ("serve", "recorder", "notifier")

# How long a start waits for PostgreSQL to confirm its mesh. If PostgreSQL is down the gateway starts without.
_IDENTITY_S: Final = 2.0

_GATEWAY: Final = "weft.gateway.v1.GatewayService"
_KEYS: Final = "weft.gateway.v1.KeyService"
_AUDIT: Final = "weft.gateway.v1.AuditService"
_WEBHOOKS: Final = "weft.gateway.v1.WebhookService"
_TENANTS: Final = "weft.gateway.v1.TenantService"
_RETRIEVAL: Final[ServiceDescriptor] = retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"]
_ROUTER: Final[ServiceDescriptor] = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
# Ids, and protobuf's overhead for a thousand requests.
_AROUND_REQUESTS: Final = 256 * 1024
_CACHE: Final[ServiceDescriptor] = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]


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
            await stack.enter_async_context(Readiness((_postgres_need(database),)))
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
            await stack.enter_async_context(Readiness((*_log_needs(log), _postgres_need(database))))
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
        cache = await stack.enter_async_context(Channel(config.cache_target, "cache"))
        retrieval = await stack.enter_async_context(Channel(config.retrieval_target, "retrieval"))
        router = await stack.enter_async_context(Channel(config.router_target, "router"))
        redis = await stack.enter_async_context(_redis(config))
        await claim_redis(redis, config.mesh_id)
        limiter = RedisLimiter(redis, fallback=config.rate_fallback, limit_s=config.redis_limit_s)
        store = KeyStore(database, limit_s=config.read_limit_s)
        key_cache = KeyCache(store.find, Life(config.key_fresh_s, config.key_stale_s, config.key_absent_s))
        rates = CallRates(config.calls_per_minute, config.address_calls_per_minute, config.rate_burst_s)
        events = AuditStore(database, limit_s=config.read_limit_s)
        audit = AuditLog(events)
        gate = Authenticator(key_cache, limiter, rates, config.operator_token.get_secret_value(), audit)
        answers = CacheLookup(cache, retrieval, lambda: catalog.current, limit_s=config.cache_limit_s)
        budgets = BudgetChecks(
            redis,
            lambda: catalog.current,
            key_cache.find,
            fallback=config.budget_fallback,
            limit_s=config.redis_limit_s,
            read_limit_s=config.read_limit_s,
        )
        admission = await stack.enter_async_context(_admission(config, catalog, log, answers, budgets))
        readers = Readers(log.client, log.config.stream)
        disconnects = Disconnects(log, readers)
        await stack.enter_async_context(readers.answering())
        await stack.enter_async_context(disconnects.serving())
        long_polls = LongPolls()
        erasure = ErasureStore(database)
        deletion = JobDeletion(log, erasure, cache)
        tenants = TenantDeletion(
            log,
            erasure,
            deletion,
            TenantCollections(retrieval),
            store,
            key_cache,
            SecretStore(database, limit_s=config.read_limit_s),
            fresh_s=config.key_fresh_s,
        )
        jobs = Jobs(log, records, admission, readers, disconnects, long_polls, gate.charge, deletion)
        deliveries = DeliveryStore(database, limit_s=config.read_limit_s)
        pages = Pages(database, limit_s=config.read_limit_s)
        services = (
            _gateway_service(jobs, budgets, pages),
            _tenant_service(tenants),
            _key_service(KeyAdmin(store, key_cache), pages, config.key_fresh_s),
            _webhook_service(deliveries, secret_desk(config, database), pages),
            _audit_service(events, pages),
            catalog_service(catalog),
            forwarded(_RETRIEVAL, retrieval, config.forward_limit_s),
            forwarded(_ROUTER, router, config.forward_limit_s),
            # Lookup and Store stay internal: only the mesh itself may write to the cache.
            forwarded(_CACHE, cache, config.forward_limit_s, only=("Invalidate", "GetStats")),
        )
        peers = ((_RETRIEVAL, retrieval), (_ROUTER, router), (_CACHE, cache))
        needs = (*_log_needs(log), _postgres_need(database), *(peer_need(peer.full_name, to) for peer, to in peers))
        readiness = await stack.enter_async_context(Readiness(needs))
        server = Server(
            config.listen,
            services,
            grace_s=config.grace_s,
            gate=gate,
            accounts=audit.account,
            limits=_limits(config),
            readiness=readiness,
        )
        await stack.enter_async_context(server)
        revocations = Revocations(server.calls, store.good, key_cache, fresh_s=config.key_fresh_s)
        await stack.enter_async_context(running("revocations", revocations.watch))
        # Before the server drains: whoever only waits need not hold it up.
        stack.callback(long_polls.end)
        await stack.enter_async_context(_following(catalog, config.catalog_poll_s))
        yield server


async def _catalog(config: Config) -> WatchedCatalog:
    last_good = config.catalog_last_good or last_good_beside(config.catalog_file, "gateway")
    return await WatchedCatalog.opened(config.catalog_file, last_good)


def _log_needs(log: JobLog) -> tuple[Need, ...]:
    """Whatever else is down, a gateway with a log accepts and serves jobs."""
    services = frozenset({WHOLE, _GATEWAY})
    return Need("nats", log.check, services), Need("clock", log.check_clock, services)


def _postgres_need(database: Database) -> Need:
    return Need("postgresql", database.check, frozenset({_AUDIT, _KEYS, _WEBHOOKS, _TENANTS}))


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


def _gateway_service(jobs: Jobs, budgets: BudgetChecks, pages: Pages) -> Service:
    add = gateway_pb2_grpc.add_GatewayServiceServicer_to_server
    return Service(_GATEWAY, add, GatewayServicer(jobs, budgets, pages))


def _key_service(desk: KeyAdmin, pages: Pages, effective_within_s: float) -> Service:
    add = gateway_pb2_grpc.add_KeyServiceServicer_to_server
    return Service(_KEYS, add, KeyServicer(desk, pages, effective_within_s))


def _audit_service(events: AuditStore, pages: Pages) -> Service:
    add = audit_pb2_grpc.add_AuditServiceServicer_to_server
    return Service(_AUDIT, add, AuditServicer(events, pages))


def _tenant_service(deletion: TenantDeletion) -> Service:
    add = tenant_pb2_grpc.add_TenantServiceServicer_to_server
    return Service(_TENANTS, add, TenantServicer(deletion))


def _webhook_service(store: DeliveryStore, secrets: SecretAdmin, pages: Pages) -> Service:
    add = webhook_pb2_grpc.add_WebhookServiceServicer_to_server
    return Service(_WEBHOOKS, add, WebhookServicer(DeliveryAdmin(store, secrets), secrets, pages))


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
        f"/{_GATEWAY}/SubmitJob": one_bytes,
        f"/{_GATEWAY}/Generate": one_bytes,
        f"/{_GATEWAY}/SubmitJobs": batch.LARGEST_BYTES + _AROUND_REQUESTS,
    }
    # Behind a proxy, where addresses are not counted, a connection is not one caller either.
    return RequestLimits(
        largest_bytes, config.held_request_bytes, separates_peers=bool(config.address_calls_per_minute)
    )


def _redis(config: Config) -> "redis.asyncio.Redis":
    # No retries: a call would wait for them, and the limiter has a better fallback. Each exchange has its own limit, of
    # which this is the longest.
    limit_s, retry = max(config.redis_limit_s, config.read_limit_s), Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_url(
        config.redis_url, socket_timeout=limit_s, socket_connect_timeout=limit_s, retry=retry
    )
