"""A gateway on real servers, callers with keys, and proxies whose connections can be cut."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import until
from tests.support.webhook_receiver import WebhookReceiver

from weft.common.v1 import chat_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, text_hash
from weft_kit.rpc.server import Server
from weft_kit.rpc.status import from_rpc

OPERATOR_TOKEN = "operator-token"
SIGNING_KEY = "a key of at least thirty-two characters"
NOBODY = "127.0.0.1:9"

# What the fixtures `ask`, `refused` and `work` are.
Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Work = Callable[..., Awaitable[event_pb2.Done]]

CATALOG = """
[providers.local]
kind = "inference"
target = "127.0.0.1:9"

[models.default]
routes = [{ provider = "local" }]

[models.large]
routes = [{ provider = "local" }]
"""


@dataclass
class Caller:
    """A client with a key of its own."""

    channel: grpc.aio.Channel
    key: pb.Key
    secret: str
    auth: tuple[tuple[str, str], ...] = field(init=False)
    jobs: Any = field(init=False)

    def __post_init__(self) -> None:
        self.auth = (("authorization", f"Bearer {self.secret}"),)
        self.jobs = rpc.GatewayServiceStub(self.channel)

    async def submit(self, request: job_pb2.GenerationRequest, request_id: str = "") -> job_pb2.Job:
        question = pb.SubmitJobRequest(request_id=request_id, request=request)
        return (await self.jobs.SubmitJob(question, metadata=self.auth)).job

    async def submit_all(self, *requests: pb.SubmitJobRequest) -> list[pb.SubmitJobsResult]:
        question = pb.SubmitJobsRequest(requests=requests)
        return list((await self.jobs.SubmitJobs(question, metadata=self.auth)).results)

    async def get(self, job_id: str, *, limit_s: float | None = None, **fields: Any) -> job_pb2.Job:
        question = pb.GetJobRequest(job_id=job_id, **fields)
        return (await self.jobs.GetJob(question, metadata=self.auth, timeout=limit_s)).job

    async def list(self, **fields: Any) -> pb.ListJobsResponse:
        return await self.jobs.ListJobs(pb.ListJobsRequest(**fields), metadata=self.auth)

    async def cancel(self, job_id: str, message: str = "") -> job_pb2.Job:
        question = pb.CancelJobRequest(job_id=job_id, message=message)
        return (await self.jobs.CancelJob(question, metadata=self.auth)).job

    def stream(self, job_id: str, after_sequence: int = 0) -> Any:
        return self.jobs.StreamJob(
            pb.StreamJobRequest(job_id=job_id, after_sequence=after_sequence), metadata=self.auth
        )

    def generate(
        self, request: job_pb2.GenerationRequest, request_id: str = "", *, limit_s: float | None = None, **fields: Any
    ) -> Any:
        question = pb.GenerateRequest(request_id=request_id, request=request, **fields)
        return self.jobs.Generate(question, metadata=self.auth, timeout=limit_s)


@pytest.fixture
async def postgres_proxy(postgres_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    async with proxied(postgres_url) as proxy:
        yield proxy


@pytest.fixture
async def redis_proxy(redis_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    async with proxied(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def nats_proxy(nats_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    async with proxied(nats_url) as proxy:
        yield proxy


@pytest.fixture
def log(joblog: JobLog) -> JobLog:
    """The job log of this test: what a worker would hold."""
    return joblog


@pytest.fixture
def config(log: JobLog, nats_url: str, postgres_url: str, redis_url: str, tmp_path: Path) -> Config:
    catalog = tmp_path / "weft.toml"
    catalog.write_text(CATALOG)
    return Config(
        listen="127.0.0.1:0",
        log=log.config,
        nats_url=nats_url,
        postgres_url=postgres_url,
        redis_url=redis_url,
        catalog_file=catalog,
        operator_token=OPERATOR_TOKEN,
        # All tests come from one address, and share one Redis.
        address_calls_per_minute=0,
        cache_target=NOBODY,
        retrieval_target=NOBODY,
        router_target=NOBODY,
        recorder_wait_s=0.01,
        webhook_signing_key=SIGNING_KEY,
        webhook_poll_s=0.02,
        webhook_first_wait_s=0.02,
        webhook_allow_private=True,
        grace_s=1.0,
    )


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Server]:
    async with gateway(config) as server:
        assert server is not None
        yield server


@pytest.fixture
async def new_caller() -> AsyncIterator[Callable[..., Awaitable[Caller]]]:
    """Makes callers: of a tenant of their own unless it is named."""
    channels = []

    async def make(server: Server, tenant: str = "", calls_per_minute: int = 1_000_000) -> Caller:
        channel = grpc.aio.insecure_channel(server.address)
        channels.append(channel)
        question = pb.CreateKeyRequest(
            tenant=tenant or f"tenant-{uuid4().hex[:8]}", name="test", calls_per_minute=calls_per_minute
        )
        operator = (("authorization", f"Bearer {OPERATOR_TOKEN}"),)
        made = await rpc.KeyServiceStub(channel).CreateKey(question, metadata=operator)
        return Caller(channel, made.key, made.secret)

    yield make
    for channel in channels:
        await channel.close()


@pytest.fixture
async def caller(server: Server, new_caller: Callable[..., Awaitable[Caller]]) -> Caller:
    return await new_caller(server)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver().running() as receiver:
        yield receiver


@pytest.fixture
def ask() -> Ask:
    """Makes requests that are right, but for what a test changes."""

    def make(text: str = "Why is the sky blue?", **fields: Any) -> job_pb2.GenerationRequest:
        message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=text)])
        return job_pb2.GenerationRequest(**{"model": "default", "messages": [message], **fields})

    return make


@pytest.fixture
def refused() -> Refused:
    """Awaits a call that must fail; returns what a Weft client makes of its error."""

    async def expect(call: Awaitable[Any]) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        error = from_rpc(raised.value, "gateway")
        assert error.message == raised.value.details()
        return error

    return expect


@pytest.fixture
def work(log: JobLog) -> Work:
    """Does what a worker does with a queued job: writes tokens and the end into the log."""

    async def run(job: job_pb2.Job, *words: str) -> event_pb2.Done:
        writer = log.writer(job.job_id, job.last_sequence)
        await writer.append(event_pb2.Started(attempt=1, provider="local", provider_model="m"))
        for word in words:
            await writer.append(event_pb2.Delta(text=word, token_count=1))
        text = "".join(words)
        done = event_pb2.Done(
            state=job_pb2.JOB_STATE_SUCCEEDED,
            answer=job_pb2.Answer(text=text, provider="local", provider_model="m"),
            text_hash=text_hash(text),
            attempts=[job_pb2.Attempt(number=1, provider="local")],
            total_usage=chat_pb2.Usage(prompt_tokens=7, completion_tokens=len(words)),
        )
        await writer.append(done)
        return done

    return run


@pytest.fixture
def recorded() -> Callable[..., Awaitable[list[job_pb2.Job]]]:
    """Reads the list of jobs until it is as the condition says: it trails the log a little."""

    async def wait(caller: Caller, holds: Callable[[list[job_pb2.Job]], bool], **fields: Any) -> list[job_pb2.Job]:
        async def look() -> tuple[list[job_pb2.Job]] | None:
            jobs = list((await caller.list(**fields)).jobs)
            # In a tuple, since a list that should be empty is not true.
            return (jobs,) if holds(jobs) else None

        return (await until("the list of jobs holds", look, within_s=20))[0]

    return wait
