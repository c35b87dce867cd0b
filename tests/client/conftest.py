"""A gateway that says what a test tells it to, over a real socket."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft_client import WeftClient
from weft_kit.server import Server, Service

Act = Iterable[event_pb2.JobEvent | Exception]


class ScriptedGateway(rpc.GatewayServiceServicer):
    """Each stream plays the next act: events, then perhaps an error. `asked` keeps the requests."""

    def __init__(self, *acts: Act) -> None:
        self._acts = iter(acts)
        self.asked: list[pb.GenerateRequest | pb.StreamJobRequest] = []
        self.jobs: dict[str, job_pb2.Job] = {}

    async def Generate(self, request: pb.GenerateRequest, _: object) -> AsyncIterator[pb.GenerateResponse]:
        self.asked.append(request)
        for event in self._next_act():
            yield pb.GenerateResponse(event=event)

    async def StreamJob(self, request: pb.StreamJobRequest, _: object) -> AsyncIterator[pb.StreamJobResponse]:
        self.asked.append(request)
        for event in self._next_act():
            yield pb.StreamJobResponse(event=event)

    async def GetJob(self, request: pb.GetJobRequest, _: object) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=self.jobs[request.job_id])

    async def ListJobs(self, _request: pb.ListJobsRequest, _: object) -> pb.ListJobsResponse:
        return pb.ListJobsResponse(jobs=self.jobs.values())

    def _next_act(self) -> Iterator[event_pb2.JobEvent]:
        for step in next(self._acts):
            if isinstance(step, Exception):
                raise step
            yield step


class Say:
    """Events of one job, numbered in the order they are made, with gaps, as the log would."""

    job_id = "n-test-1"

    def __init__(self) -> None:
        self._sequence = 0

    def accepted(self) -> event_pb2.JobEvent:
        return self.event(accepted=event_pb2.Accepted(tenant="t"))

    def started(self, attempt: int = 1) -> event_pb2.JobEvent:
        return self.event(started=event_pb2.Started(attempt=attempt))

    def delta(self, text: str) -> event_pb2.JobEvent:
        return self.event(delta=event_pb2.Delta(text=text))

    def rewound(self, to: event_pb2.JobEvent) -> event_pb2.JobEvent:
        return self.event(rewound=event_pb2.Rewound(to_sequence=to.sequence))

    def done(self, text: str, text_hash: str = "") -> event_pb2.JobEvent:
        return self.event(
            done=event_pb2.Done(
                state=job_pb2.JOB_STATE_SUCCEEDED,
                answer=job_pb2.Answer(text=text),
                text_hash=text_hash or hashlib.sha256(text.encode()).hexdigest(),
            )
        )

    def event(self, **step: object) -> event_pb2.JobEvent:
        self._sequence += 3
        return event_pb2.JobEvent(job_id=self.job_id, sequence=self._sequence, **step)


@pytest.fixture
def say() -> Say:
    return Say()


@pytest.fixture
def playing() -> Callable[..., AbstractAsyncContextManager[tuple[WeftClient, ScriptedGateway]]]:
    """Serves a gateway that plays the acts, and opens a client to it."""

    @asynccontextmanager
    async def serve(*acts: Act) -> AsyncIterator[tuple[WeftClient, ScriptedGateway]]:
        gateway = ScriptedGateway(*acts)
        service = Service("weft.gateway.v1.GatewayService", rpc.add_GatewayServiceServicer_to_server, gateway)
        async with Server("127.0.0.1:0", [service]) as server, WeftClient(server.address, "key") as client:
            yield client, gateway

    return serve
