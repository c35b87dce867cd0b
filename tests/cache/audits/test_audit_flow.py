"""The whole way of an audit: served by the gateway, asked again by the router, compared by the cache."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from prometheus_client import REGISTRY
from tests.support.waiting import until

from weft.cache.v1 import cache_pb2
from weft.common.v1 import budget_pb2
from weft.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from weft.job.v1 import job_pb2
from weft_gateway.config import Config as GatewayConfig
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog
from weft_mock import MockProvider, Script
from weft_router.config import Config as RouterConfig
from weft_router.server import router

NOBODY = "127.0.0.1:9"
FRANCE, SPACED = "What is the capital of France?", "What is  the capital of France?"
CATALOG = """
[providers.mock]
kind = "openai"
base_url = "{base_url}"

[models.small]
routes = [{{ provider = "mock", model = "mock" }}]
cache = "semantic"

[prices]
as_of = 2026-01-01
currency = "EUR"

[prices.per_million.mock]
mock = {{ input = 1, output = 2 }}
"""


@dataclass
class Environment:
    """A gateway, a router and a cache over one log, and a tenant's way in."""

    cache: Any
    provider: MockProvider
    jobs: Any
    auth: tuple[tuple[str, str], ...]

    async def ask(self, request: job_pb2.GenerationRequest) -> job_pb2.Job:
        """The job once it is done."""
        question = gateway_pb2.GenerateRequest(request=request)
        async for answer in self.jobs.Generate(question, metadata=self.auth, timeout=60):
            event = answer.event
        found = gateway_pb2.GetJobRequest(job_id=event.job_id)
        return (await self.jobs.GetJob(found, metadata=self.auth)).job

    async def stats(self, holds: Any) -> cache_pb2.GetStatsResponse:
        """The cache's counts once they are as the condition says: it is told in the background."""

        async def look() -> cache_pb2.GetStatsResponse | None:
            found = await self.cache.stats()
            return found if holds(found) else None

        return await until("the counts are so", look)


@pytest.fixture
async def environment(
    serving: Any,
    joblog: JobLog,
    nats_url: str,
    postgres_url: str,
    redis_url: str,
    inference_target: str,
    tmp_path: Path,
) -> AsyncIterator[Environment]:
    provider, catalog = MockProvider(), tmp_path / "weft.toml"
    audited = {"audit_share": 1.0, "tally_flush_s": 0.01}
    shared = {"listen": "127.0.0.1:0", "nats_url": nats_url, "redis_url": redis_url, "log": joblog.config}
    shared |= {"catalog_file": catalog, "retrieval_target": NOBODY, "grace_s": 0.0}
    async with AsyncExitStack() as stack:
        catalog.write_text(CATALOG.format(base_url=await stack.enter_async_context(provider.running())))
        cache = await stack.enter_async_context(
            serving(redis_url=redis_url, inference_target=inference_target, **audited)
        )
        shared["cache_target"] = cache.address
        await stack.enter_async_context(router(RouterConfig(**shared)))
        entrance = await stack.enter_async_context(
            gateway(GatewayConfig(**shared, router_target=NOBODY, postgres_url=postgres_url, operator_token="operator"))
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(entrance.address))
        made = await gateway_pb2_grpc.KeyServiceStub(channel).CreateKey(
            gateway_pb2.CreateKeyRequest(tenant=cache.tenant, name="test"),
            metadata=(("authorization", "Bearer operator"),),
        )
        auth = (("authorization", f"Bearer {made.secret}"),)
        yield Environment(cache, provider, gateway_pb2_grpc.GatewayServiceStub(channel), auth)


def silent(request: job_pb2.GenerationRequest) -> job_pb2.GenerationRequest:
    """The request without a word of its own about the cache: its alias decides."""
    request.ClearField("cache")
    return request


async def test_a_wrong_hit_is_found_out_and_the_right_answer_costs_the_caller_nothing(environment, generation):
    environment.provider.play(Script(text="Paris."), Script(text="The capital of France is Lyon."))
    first = await environment.ask(silent(generation(FRANCE)))
    await environment.stats(lambda stats: stats.entries == 1)
    served = await environment.ask(silent(generation(SPACED)))
    assert not served.request.HasField("cache")
    assert served.answer.text == first.answer.text == "Paris."
    assert served.cache_hit.tier == job_pb2.CACHE_MODE_SEMANTIC
    assert not served.HasField("total_cost")
    stats = await environment.stats(lambda stats: stats.HasField("false_hits"))
    assert (stats.false_hits.audits, stats.false_hits.wrong) == (1, 1)
    assert (stats.semantic_hits, stats.entries) == (1, 1)
    assert stats.tokens_saved == first.answer.usage.completion_tokens
    assert list(stats.cost_saved) == [budget_pb2.Cost(micros=first.total_cost.micros, currency="EUR")]
    assert environment.provider.stats.requests == 2
    # The router counts what it was answered, after the cache did.
    verdict = {"verdict": "different"}
    await until("it is counted", lambda: REGISTRY.get_sample_value("weft_router_cache_audits_total", verdict))
