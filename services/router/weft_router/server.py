"""How the router is assembled."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from weft.router.v1 import flight_pb2_grpc as flight_rpc
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit import metrics
from weft_kit.catalog import providers as entries
from weft_kit.catalog.catalog import Catalog
from weft_kit.catalog.service import catalog_service
from weft_kit.catalog.watch import WatchedCatalog, last_good_beside
from weft_kit.joblog import END_BYTES, JobLog, Leases, connect
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.readiness import Need, Readiness
from weft_kit.rpc.server import Server, Service
from weft_kit.stores.ownership import claim_redis
from weft_router.answering.answerer import Answerer
from weft_router.answering.attempt_rules import AttemptRules
from weft_router.answering.cache_client import AnswerCache
from weft_router.answering.last_resort import LastResortAnswers
from weft_router.budgets.budgets import Budgets
from weft_router.budgets.redis_ledger import RedisLedger
from weft_router.config import Config
from weft_router.fleet.fleet import Fleet
from weft_router.fleet.provider_keys import key_setting, read_keys
from weft_router.fleet.redis_breakers import SharedBreakers
from weft_router.pipeline.context import ContextFinder
from weft_router.pipeline.pipeline import Pipeline
from weft_router.pipeline.retrieval_client import Retrieval
from weft_router.providers.formats import wire_format
from weft_router.providers.http.provider import HttpProvider
from weft_router.providers.inference import InferenceProvider
from weft_router.providers.provider import Provider
from weft_router.providers.refusals.errors import ProviderAccess
from weft_router.routing.retry_budget import RetryBudgets
from weft_router.routing.retry_policy import RetryLimits
from weft_router.servicer import RouterServicer
from weft_router.single_flight.flights import Flights
from weft_router.single_flight.redis_directory import RedisDirectory
from weft_router.single_flight.servicer import FlightServicer
from weft_router.worker.job_run import JobDependencies
from weft_router.worker.tenant_weights import TenantWeights
from weft_router.worker.worker import GenerationWorker

_NAME = "weft.router.v1.RouterService"
_FLIGHTS = "weft.router.v1.FlightService"
_EVERYWHERE = ("0.0.0.0", "[::]", "")


@asynccontextmanager
async def router(config: Config) -> AsyncIterator[Server]:
    """Runs the router while the context lasts; leaving it drains.

    Raises:
        CatalogError: the catalog, or a key it names, cannot be used.
        OtherMesh: NATS or Redis is another mesh's.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        fleet = await stack.enter_async_context(Fleet(_open_provider, partial(_keys, config)))
        last_good = config.catalog_last_good or last_good_beside(config.catalog_file, "router")
        catalog = await WatchedCatalog.opened(config.catalog_file, last_good, fleet.follow)
        log = await stack.enter_async_context(_job_log(config))
        needs = (Need("nats", log.check), Need("clock", log.check_clock))
        readiness = await stack.enter_async_context(Readiness(needs))
        redis = await stack.enter_async_context(_redis(config))
        await stack.enter_async_context(SharedBreakers(redis, lambda: fleet.current).sharing())
        budgets = await stack.enter_async_context(_budgets(config, redis))
        cache = await stack.enter_async_context(Channel(config.cache_target, "cache"))
        retrieval = await stack.enter_async_context(Channel(config.retrieval_target, "retrieval"))
        answers = await stack.enter_async_context(AnswerCache(cache, lambda: fleet.current.catalog))
        limits = RetryLimits(config.max_attempts, config.max_lost_attempts, config.first_wait_s, config.longest_wait_s)
        rules = AttemptRules(limits, RetryBudgets(), budgets, max_answer_bytes=config.max_answer_bytes)
        answerer = Answerer(fleet.lend, LastResortAnswers(answers), rules)
        flights = Flights(RedisDirectory(redis, limit_s=config.flight_limit_s), limits, answerer.answer_shared)
        context = ContextFinder(Retrieval(retrieval, config.retrieval_limit_s), rules)
        pipeline = Pipeline(fleet.lend, context, flights, answerer)
        services = [
            _router_service(fleet, budgets, catalog),
            catalog_service(catalog),
            Service(_FLIGHTS, flight_rpc.add_FlightServiceServicer_to_server, FlightServicer(flights)),
        ]
        request_limits = RequestLimits(held_bytes=config.held_request_bytes)
        server = Server(config.listen, services, grace_s=config.grace_s, limits=request_limits, readiness=readiness)
        await stack.enter_async_context(server)
        address = config.advertise or _advertised(server.address)
        await stack.enter_async_context(flights.hosting(address))
        dependencies = JobDependencies(log, pipeline, answers, config.max_deliveries, address)
        leases = _leases(config, log, TenantWeights(lambda: fleet.current.catalog), address)
        await stack.enter_async_context(GenerationWorker(dependencies, leases, config.grace_s).working())
        await stack.enter_async_context(catalog.following(fleet.follow, config.catalog_poll_s))
        yield server


@asynccontextmanager
async def _job_log(config: Config) -> AsyncIterator[JobLog]:
    async with connect(config.nats_url, "router") as nats:
        log = JobLog(nats, config.log.of_mesh(config.mesh_id))
        async with log.watched():
            log.check_carries(config.max_answer_bytes + END_BYTES, "WEFT_ROUTER_MAX_ANSWER_BYTES")
            yield log


@asynccontextmanager
async def _budgets(config: Config, redis: Redis) -> AsyncIterator[Budgets]:
    ledger = RedisLedger(redis, limit_s=config.budget_limit_s)
    async with ledger.keeping():
        yield Budgets(ledger, config.budget_fallback)


def _router_service(fleet: Fleet, budgets: Budgets, catalog: WatchedCatalog) -> Service:
    servicer = RouterServicer(lambda: fleet.current, budgets, catalog)
    return Service(_NAME, rpc.add_RouterServiceServicer_to_server, servicer)


def _leases(config: Config, log: JobLog, weights: TenantWeights, address: str) -> Leases:
    return Leases(
        log,
        slots=config.slots,
        weight=weights.weight,
        is_expedited=weights.is_expedited,
        cost=weights.cost,
        name=address,
    )


def _advertised(address: str) -> str:
    """Returns the address at which other machines reach a server that listens on an address."""
    host, _, port = address.rpartition(":")
    return f"{_this_machine() if host in _EVERYWHERE else host}:{port}"


def _this_machine() -> str:
    name = socket.gethostname()
    try:
        return socket.gethostbyname(name)  # others may not know the name: in Kubernetes they do not
    except OSError:
        return name


def _keys(config: Config, catalog: Catalog) -> dict[str, str]:
    return read_keys(catalog, config.catalog_file, os.environ)


@asynccontextmanager
async def _redis(config: Config) -> AsyncIterator[Redis]:
    # No retries: a late report is a wrong one.
    retry = Retry(NoBackoff(), 0)
    async with Redis.from_url(config.redis_url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=retry) as redis:
        await claim_redis(redis, config.mesh_id)
        yield redis


@asynccontextmanager
async def _open_provider(name: str, entry: entries.ProviderEntry, key: str) -> AsyncIterator[Provider]:
    if isinstance(entry, entries.InferenceEntry):
        async with Channel(entry.target, name) as channel:
            yield InferenceProvider(channel)
        return
    async with HttpProvider(entry, wire_format(entry), ProviderAccess(key, key_setting(name, entry))) as provider:
        yield provider
