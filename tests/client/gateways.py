"""Gateways that say what a test tells them to, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.gateway.v1 import webhook_pb2, webhook_pb2_grpc
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.rpc.call import Rpc
from weft_kit.rpc.interceptor import send_header
from weft_kit.rpc.server import Server, Service

HOLD = asyncio.Event
"""A step that never ends: the stream stays open."""

KNOWN = object()
"""A step that says that the job is known, and no more."""

Act = Iterable[event_pb2.JobEvent | Exception | object]


class ScriptedGateway(rpc.GatewayServiceServicer):
    """Each stream plays the next act: events, seconds to wait, then perhaps an error.

    Other calls first raise what is in `failures`. `asked` keeps the requests of all calls but GetJob and ListJobs,
    which `polls` and `lists` keep.
    """

    def __init__(self, *acts: Act) -> None:
        self._acts = iter(acts)
        self.asked: list = []
        self.polls: list[pb.GetJobRequest] = []
        self.lists: list[pb.ListJobsRequest] = []
        self.jobs: dict[str, job_pb2.Job] = {}
        self.failures: list[Exception] = []
        self.batches: list[list[pb.SubmitJobsResult]] = []

    async def Generate(self, request: pb.GenerateRequest, call: Rpc) -> AsyncIterator[pb.GenerateResponse]:
        self.asked.append(request)
        async for event in self._next_act(call):
            yield pb.GenerateResponse(event=event)

    async def StreamJob(self, request: pb.StreamJobRequest, call: Rpc) -> AsyncIterator[pb.StreamJobResponse]:
        self.asked.append(request)
        async for event in self._next_act(call):
            yield pb.StreamJobResponse(event=event)

    async def SubmitJob(self, request: pb.SubmitJobRequest, _: object) -> pb.SubmitJobResponse:
        self.asked.append(request)
        self._fail()
        return pb.SubmitJobResponse(job=accepted(request))

    async def SubmitJobs(self, request: pb.SubmitJobsRequest, _: object) -> pb.SubmitJobsResponse:
        """Answers with the next of `batches`, then accepts everything."""
        self.asked.append(request)
        self._fail()
        results = self.batches.pop(0) if self.batches else [in_batch(asked) for asked in request.requests]
        return pb.SubmitJobsResponse(results=results)

    async def CancelJob(self, request: pb.CancelJobRequest, _: object) -> pb.CancelJobResponse:
        self.asked.append(request)
        return pb.CancelJobResponse(job=self.jobs[request.job_id])

    async def GetJob(self, request: pb.GetJobRequest, _: object) -> pb.GetJobResponse:
        self.polls.append(request)
        self._fail()
        return pb.GetJobResponse(job=self.jobs[request.job_id])

    async def ListJobs(self, request: pb.ListJobsRequest, _: object) -> pb.ListJobsResponse:
        """Gives a job a page, so that lists have many."""
        self.lists.append(request)
        self._fail()
        jobs, at = list(self.jobs.values()), int(request.page_token or 0)
        return pb.ListJobsResponse(jobs=jobs[at : at + 1], next_page_token=str(at + 1) if at + 1 < len(jobs) else "")

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def _next_act(self, call: Rpc) -> AsyncIterator[event_pb2.JobEvent]:
        for step in next(self._acts):
            if isinstance(step, Exception):
                raise step
            if step is HOLD:
                await HOLD().wait()
            elif step is KNOWN:
                await send_header(call)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step


class ScriptedWebhooks(webhook_pb2_grpc.WebhookServiceServicer):
    """Holds deliveries and secrets; `asked` keeps the requests."""

    def __init__(self) -> None:
        self.asked: list = []
        self.deliveries: list[webhook_pb2.Delivery] = []
        self.secrets: list[webhook_pb2.WebhookSecret] = []
        self.failures: list[Exception] = []

    async def ListDeliveries(self, request, _):
        self.asked.append(request)
        return webhook_pb2.ListDeliveriesResponse(deliveries=self.deliveries)

    async def RedeliverWebhook(self, request, _):
        self.asked.append(request)
        self._fail()
        return webhook_pb2.RedeliverWebhookResponse(delivery=self.deliveries[0])

    async def ListWebhookSecrets(self, request, _):
        return webhook_pb2.ListWebhookSecretsResponse(secrets=self.secrets)

    async def RotateWebhookSecret(self, request, _):
        self.asked.append(request)
        self._fail()
        return webhook_pb2.RotateWebhookSecretResponse(secrets=self.secrets)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


def accepted(asked: pb.SubmitJobRequest) -> job_pb2.Job:
    return job_pb2.Job(job_id=f"job-{asked.request_id}", request_id=asked.request_id, state=job_pb2.JOB_STATE_QUEUED)


def succeeded(job_id: str, text: str) -> job_pb2.Job:
    answer = job_pb2.Answer(text=text, provider="local", provider_model="SmolLM2")
    answer.usage.completion_tokens = 7
    answer.sources.add(number=1, title="The light", source_uri="02-the-light.md")
    attempt = job_pb2.Attempt(number=1, provider="local", provider_model="SmolLM2")
    return job_pb2.Job(
        job_id=job_id, state=job_pb2.JOB_STATE_SUCCEEDED, model="default", answer=answer, attempts=[attempt]
    )


def in_batch(asked: pb.SubmitJobRequest) -> pb.SubmitJobsResult:
    return pb.SubmitJobsResult(job=accepted(asked))


@asynccontextmanager
async def serving(
    gateway: rpc.GatewayServiceServicer, webhooks: ScriptedWebhooks | None = None, *, grace_s: float = 0.0
) -> AsyncIterator[str]:
    """Serves a gateway while entered; gives its address."""
    services = [Service("weft.gateway.v1.GatewayService", rpc.add_GatewayServiceServicer_to_server, gateway)]
    if webhooks is not None:
        add = webhook_pb2_grpc.add_WebhookServiceServicer_to_server
        services.append(Service("weft.gateway.v1.WebhookService", add, webhooks))
    async with Server("127.0.0.1:0", services, grace_s=grace_s) as server:
        yield server.address
