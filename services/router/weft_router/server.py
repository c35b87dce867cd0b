"""The router, assembled: the one place that knows every part."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit import catalog, metrics
from weft_kit.channel import Channel
from weft_kit.joblog import JobLog, LogConfig, Work, connect
from weft_kit.server import Server, Service
from weft_router.answer_cache import AnswerCache
from weft_router.attempts import Attempts, RetryLimits
from weft_router.breaker import BreakerLimits
from weft_router.config import Config
from weft_router.health import ProviderHealth
from weft_router.job_run import Means
from weft_router.keys import read_keys
from weft_router.providers.inference import InferenceProvider
from weft_router.providers.openai import OpenAIProvider
from weft_router.providers.port import Provider
from weft_router.registry import Registered, Registry
from weft_router.retrieval_context import Retrieval
from weft_router.servicer import RouterServicer
from weft_router.worker import Worker

_NAME = "weft.router.v1.RouterService"


@asynccontextmanager
async def router(config: Config, log_config: LogConfig | None = None) -> AsyncIterator[Server]:
    """Run the router while the context lasts; leaving it drains.

    Raises:
        CatalogError: the catalog, or a key it names, cannot be used.
    """
    models = catalog.load_catalog(config.catalog_file)
    keys = read_keys(models, config.catalog_file, os.environ)
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        log = JobLog(await stack.enter_async_context(connect(config.nats_url, "router")), log_config or _log(config))
        await log.ensure()
        cache = await stack.enter_async_context(Channel(config.cache_target, "cache"))
        retrieval = await stack.enter_async_context(Channel(config.retrieval_target, "retrieval"))
        limits = BreakerLimits(config.breaker_failures, config.breaker_open_s)
        registry = Registry(models, await _opened(models, keys, limits, stack))
        answers = await stack.enter_async_context(AnswerCache(cache))
        attempts = Attempts(
            registry,
            Retrieval(retrieval, config.retrieval_limit_s),
            RetryLimits(config.max_attempts, config.first_wait_s, config.longest_wait_s),
            log.config.flush_interval_s,
        )
        means = Means(log, attempts, answers, config.max_deliveries)
        services = [Service(_NAME, rpc.add_RouterServiceServicer_to_server, RouterServicer(registry))]
        server = await stack.enter_async_context(Server(config.listen, services, grace_s=config.grace_s))
        await stack.enter_async_context(Worker(means, Work(log, slots=config.slots), config.grace_s).working())
        yield server


def _log(config: Config) -> LogConfig:
    return LogConfig(flush_interval_s=config.flush_interval_ms / 1000, ack_wait_s=config.ack_wait_s)


async def _opened(
    models: catalog.Catalog, keys: dict[str, str], limits: BreakerLimits, stack: AsyncExitStack
) -> dict[str, Registered]:
    async def provider(name: str, entry: catalog.ProviderEntry) -> Provider:
        match entry:
            case catalog.InferenceProvider():
                return InferenceProvider(await stack.enter_async_context(Channel(entry.target, name)))
            case catalog.OpenAIProvider():
                return await stack.enter_async_context(OpenAIProvider(entry, keys.get(name)))

    return {
        name: Registered(name, entry.kind, await provider(name, entry), ProviderHealth(limits))
        for name, entry in models.providers.items()
    }
