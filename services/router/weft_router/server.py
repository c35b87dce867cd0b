"""The router, assembled: the one place that knows every part."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit import catalog, metrics
from weft_kit.channel import Channel
from weft_kit.joblog import JobLog, Work, connect
from weft_kit.server import Server, Service
from weft_router import usage
from weft_router.answer_cache import AnswerCache
from weft_router.attempts import Attempts
from weft_router.breaker import BreakerLimits
from weft_router.config import Config
from weft_router.health import ProviderHealth
from weft_router.job_run import Means
from weft_router.keys import read_keys
from weft_router.policy import RetryLimits
from weft_router.providers.inference import InferenceProvider
from weft_router.providers.openai import OpenAIProvider
from weft_router.providers.port import Provider
from weft_router.registry import Registered, Registry
from weft_router.retrieval_context import Retrieval
from weft_router.servicer import RouterServicer
from weft_router.shares import weights
from weft_router.worker import Worker

_NAME = "weft.router.v1.RouterService"


@asynccontextmanager
async def router(config: Config) -> AsyncIterator[Server]:
    """Run the router while the context lasts; leaving it drains.

    Raises:
        CatalogError: the catalog, or a key it names, cannot be used.
    """
    models = catalog.load_catalog(config.catalog_file)
    keys = read_keys(models, config.catalog_file, os.environ)
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        log = JobLog(await stack.enter_async_context(connect(config.nats_url, "router")), config.log)
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
            config.log.flush_interval_s,
        )
        means = Means(log, attempts, answers, config.max_deliveries)
        services = [Service(_NAME, rpc.add_RouterServiceServicer_to_server, RouterServicer(registry))]
        server = await stack.enter_async_context(Server(config.listen, services, grace_s=config.grace_s))
        await stack.enter_async_context(Worker(means, _work(log, config.slots, models), config.grace_s).working())
        yield server


def _work(log: JobLog, slots: int, models: catalog.Catalog) -> Work:
    return Work(log, slots=slots, weight=weights(models), cost=partial(usage.expected, models=models.models))


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
