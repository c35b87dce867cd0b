"""How the gateway is put together."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import redis.asyncio
from google.protobuf.descriptor import ServiceDescriptor
from nats.aio.client import Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from weft.cache.v1 import cache_pb2
from weft.gateway.v1 import gateway_pb2_grpc
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_gateway.admission import Admission
from weft_gateway.answers import Answers
from weft_gateway.config import Config
from weft_gateway.forwarding import forwarded
from weft_gateway.gate import Gate, Rates
from weft_gateway.httpx_webhooks import WebhookPoster
from weft_gateway.jobs import Jobs
from weft_gateway.key_desk import KeyDesk
from weft_gateway.keyring import Keyring, Life
from weft_gateway.keys_servicer import KeyServicer
from weft_gateway.notifier import Notifier
from weft_gateway.postgres import Database
from weft_gateway.postgres_deliveries import DeliveryStore
from weft_gateway.postgres_keys import KeyStore
from weft_gateway.postgres_records import RecordStore
from weft_gateway.recorder import record
from weft_gateway.redis_limiter import RedisLimiter
from weft_gateway.servicer import GatewayServicer
from weft_gateway.tasks import running
from weft_gateway.webhooks import Backoff
from weft_kit import metrics
from weft_kit.catalog import load_catalog
from weft_kit.channel import Channel
from weft_kit.joblog import JobLog, connect
from weft_kit.server import Server, Service

ROLES: Final = ("serve", "recorder", "notifier")

_RETRIEVAL: Final[ServiceDescriptor] = retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"]
_ROUTER: Final[ServiceDescriptor] = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
_CACHE: Final[ServiceDescriptor] = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]


@asynccontextmanager
async def gateway(config: Config, roles: Collection[str] = ROLES) -> AsyncIterator[Server | None]:
    """Runs the roles asked for. Yields the server, or None without "serve". Raises CatalogError first."""
    models = load_catalog(config.catalog_file).models if "serve" in roles else {}
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        database = await stack.enter_async_context(
            Database(config.postgres_url, connections=config.postgres_connections)
        )
        if "notifier" in roles:
            await stack.enter_async_context(_notifier(config, database))
        if not {"serve", "recorder"} & set(roles):
            yield None
            return
        nats = await stack.enter_async_context(connect(config.nats_url, "gateway"))
        log = JobLog(nats, config.log)
        await log.ensure()
        records = RecordStore(database, limit_s=config.read_limit_s)
        if "recorder" in roles:
            recorder = partial(record, log, records, max_batch=config.recorder_batch, max_wait_s=config.recorder_wait_s)
            await stack.enter_async_context(running("recorder", recorder))
        if "serve" not in roles:
            yield None
            return
        admission = _admission(config, models, nats)
        yield await stack.enter_async_context(_server(config, database, log, records, admission))


@asynccontextmanager
async def _server(
    config: Config, database: Database, log: JobLog, records: RecordStore, admission: Admission
) -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        cache = await stack.enter_async_context(Channel(config.cache_target, "cache"))
        retrieval = await stack.enter_async_context(Channel(config.retrieval_target, "retrieval"))
        router = await stack.enter_async_context(Channel(config.router_target, "router"))
        limiter = RedisLimiter(await stack.enter_async_context(_redis(config)), limit_s=config.redis_limit_s)
        store = KeyStore(database, limit_s=config.read_limit_s)
        keyring = Keyring(store.find, Life(config.key_fresh_s, config.key_stale_s, config.key_absent_s))
        answers = Answers(cache, retrieval, limit_s=config.cache_limit_s)
        services = (
            _gateway_service(Jobs(log, records, answers, admission)),
            _key_service(KeyDesk(store, keyring), config.key_fresh_s),
            forwarded(_RETRIEVAL, retrieval, config.forward_limit_s),
            forwarded(_ROUTER, router, config.forward_limit_s),
            # Lookup and Store stay inside: what the cache holds is the mesh's own word.
            forwarded(_CACHE, cache, config.forward_limit_s, only=("Invalidate", "GetStats")),
        )
        rates = Rates(config.calls_per_minute, config.address_calls_per_minute, config.rate_burst_s)
        gate = Gate(keyring, limiter, rates, config.operator_token.get_secret_value())
        yield await stack.enter_async_context(Server(config.listen, services, grace_s=config.grace_s, gate=gate))


@asynccontextmanager
async def _notifier(config: Config, database: Database) -> AsyncIterator[None]:
    limit_s, allow_private = config.webhook_limit_s, config.webhook_allow_private
    backoff = Backoff(first_s=config.webhook_first_wait_s, attempts=config.webhook_attempts)
    async with WebhookPoster(limit_s=limit_s, allow_private=allow_private) as poster:
        notifier = Notifier(DeliveryStore(database), poster, backoff, poll_s=config.webhook_poll_s)
        async with running("notifier", notifier.notify):
            yield


def _gateway_service(jobs: Jobs) -> Service:
    add = gateway_pb2_grpc.add_GatewayServiceServicer_to_server
    return Service("weft.gateway.v1.GatewayService", add, GatewayServicer(jobs))


def _key_service(desk: KeyDesk, effective_within_s: float) -> Service:
    add = gateway_pb2_grpc.add_KeyServiceServicer_to_server
    return Service("weft.gateway.v1.KeyService", add, KeyServicer(desk, effective_within_s))


def _admission(config: Config, models: Collection[str], client: Client) -> Admission:
    def largest_bytes() -> int:
        # The lone `done` of a cache hit carries prompt and answer in one message: half for each.
        return min(config.max_request_bytes, client.max_payload // 2)

    return Admission(lambda: models, largest_bytes, config.default_timeout_s, config.log.retention_s)


def _redis(config: Config) -> "redis.asyncio.Redis":
    # No retries: a call would wait for them, and the limiter has something better to do without Redis.
    limit_s, retry = config.redis_limit_s, Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_url(
        config.redis_url, socket_timeout=limit_s, socket_connect_timeout=limit_s, retry=retry
    )
