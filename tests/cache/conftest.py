"""A cache on real Redis with a real embedder, and words to ask it with."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from tests.support.inference_process import inference_process

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft.common.v1 import budget_pb2, chat_pb2
from weft.job.v1 import job_pb2
from weft_cache.config import Config
from weft_cache.server import cache
from weft_cache.store.encryption import Encryption
from weft_cache.store.redis_answers import RedisAnswers
from weft_cache.store.redis_client import RedisClient, guarded
from weft_cache.store.redis_store import RedisStore
from weft_kit.rpc import context
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext

# The machine that runs tests may be busy; the limits of production are for the tests about limits. Audits are drawn at
# random, so those that are about them ask for them.
PATIENT = {"redis_limit_s": 5.0, "lookup_limit_s": 20.0, "longest_lookup_s": 20.0, "audit_share": 0.0}
ROOMY = 1024**3


def generation(text: str, *history: str, **fields: Any) -> job_pb2.GenerationRequest:
    """A request that any tier may serve: a question after turns of user and assistant, sampled greedily."""
    request = job_pb2.GenerationRequest(model="small", sampling=chat_pb2.SamplingParams(temperature=0))
    request.cache.mode = job_pb2.CACHE_MODE_SEMANTIC
    roles = (chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT)
    for turn, said in enumerate((*history, text)):
        request.messages.add(role=roles[turn % 2], parts=[chat_pb2.ContentPart(text=said)])
    request.MergeFrom(job_pb2.GenerationRequest(**fields))
    return request


def finished(text: str = "Paris.", **fields: Any) -> job_pb2.Answer:
    """An answer that may be kept."""
    usage = chat_pb2.Usage(prompt_tokens=7, completion_tokens=3)
    answer = job_pb2.Answer(text=text, finish_reason=chat_pb2.FINISH_REASON_STOP, usage=usage, provider="p")
    answer.MergeFrom(job_pb2.Answer(**fields))
    return answer


class Client:
    """One tenant's view of a cache."""

    def __init__(self, channel: Channel, tenant: str, address: str = "") -> None:
        self.tenant = tenant
        self.address = address
        self._channel = channel
        self._stub = rpc.CacheServiceStub(channel.raw)

    def of(self, tenant: str) -> "Client":
        """The same cache seen by another tenant."""
        return Client(self._channel, tenant)

    async def lookup(
        self, request: job_pb2.GenerationRequest, version: int = 0, *, stale_within_s: int | None = None
    ) -> pb.Found | pb.Missed:
        message = pb.LookupRequest(request=request, collection_version=version)
        if stale_within_s is not None:
            message.stale_within.FromSeconds(stale_within_s)
        answer = await self._call(self._stub.Lookup, message)
        return answer.found if answer.HasField("found") else answer.missed

    async def store(
        self,
        request: job_pb2.GenerationRequest,
        answer: job_pb2.Answer,
        version: int = 0,
        cost: budget_pb2.Cost | None = None,
        job_id: str = "",
    ) -> bool:
        message = pb.StoreRequest(request=request, answer=answer, collection_version=version, cost=cost, job_id=job_id)
        return (await self._call(self._stub.Store, message)).stored

    async def report(self, **fields: Any) -> pb.ReportAuditResponse.Verdict.ValueType:
        return (await self._call(self._stub.ReportAudit, pb.ReportAuditRequest(**fields))).verdict

    async def invalidate(self, **names: Any) -> int:
        return (await self._call(self._stub.Invalidate, pb.InvalidateRequest(**names))).invalidated

    async def stats(self) -> pb.GetStatsResponse:
        return await self._call(self._stub.GetStats, pb.GetStatsRequest())

    async def _call(self, method: Callable[..., Any], message: Any) -> Any:
        with context.bound(CallContext(tenant=self.tenant)):
            return await self._channel.unary(method(message, **self._channel.call(30)))


Serving = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(name="generation")
def _generation() -> Callable[..., job_pb2.GenerationRequest]:
    return generation


@pytest.fixture(name="finished")
def _finished() -> Callable[..., job_pb2.Answer]:
    return finished


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4().hex}"


@pytest.fixture
async def guard(redis_url: str) -> AsyncIterator[RedisClient]:
    async with guarded(redis_url, limit_s=5.0, rest_s=0.0, connections=8) as guard:
        yield guard


@pytest.fixture
def answers(guard: RedisClient) -> RedisAnswers:
    return RedisAnswers(guard, RedisStore(guard, ROOMY, longest_s=3600), Encryption())


@pytest.fixture(scope="package")
def inference_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with inference_process(tmp_path_factory.mktemp("inference")) as inference:
        yield inference.target


@asynccontextmanager
async def _serving(tenant: str, **settings: Any) -> AsyncIterator[Client]:
    config = Config(**{"listen": "127.0.0.1:0", "grace_s": 0.0, **PATIENT, **settings})
    async with cache(config) as server, Channel(server.address, "cache") as channel:
        yield Client(channel, tenant, server.address)


@pytest.fixture
def serving(tenant: str) -> Serving:
    """Serves a cache with settings of the test's own, seen by a new tenant."""
    return partial(_serving, tenant)


@pytest.fixture
async def client(serving: Serving, redis_url: str, inference_target: str) -> AsyncIterator[Client]:
    async with serving(redis_url=redis_url, inference_target=inference_target) as client:
        yield client
