"""The mesh from Python: jobs, their text, documents, and the state of the mesh."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from operator import attrgetter
from time import monotonic
from types import TracebackType
from typing import Self, Unpack
from uuid import uuid4

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_client.batches import Item, Outcome, submit_all
from weft_client.connection import Connection
from weft_client.documents import Documents
from weft_client.generation import Generation
from weft_client.ingest_jobs import IngestJobs
from weft_client.job_filters import JobFilters, to_list
from weft_client.observer import Observer
from weft_client.pages import first
from weft_client.requests import ChatOptions, chat
from weft_client.streams import Events, Streams
from weft_client.webhooks import Webhooks
from weft_kit.rpc.time import duration

TERMINAL = frozenset(
    {
        job_pb2.JOB_STATE_SUCCEEDED,
        job_pb2.JOB_STATE_FAILED,
        job_pb2.JOB_STATE_CANCELLED,
        job_pb2.JOB_STATE_EXPIRED,
    }
)

_RUNS_ON = frozenset({pb.ON_DISCONNECT_UNSPECIFIED, pb.ON_DISCONNECT_DETACH})

# A job may live for a day; its stream should not end before it.
_STREAM_S = 25 * 3600.0
_BATCH_S = 50.0
_DELETE_S = 20.0
# The time that a router gives all providers together.
_POLL_S = 30.0


class WeftClient:
    """The client of one tenant.

    `endpoint` is host:port, several gateways as ip:port,ip:port, or dns:///name:port for every address of a name.

    `patience_s` is how long a call is retried without a sign of life: while no gateway can be reached, or each one
    refuses with UNAVAILABLE (it restarts, or the log is down), or accepts the call and does not answer. All calls that
    may be repeated are retried; submits carry a request id for that. After that time the call raises OutOfPatience,
    which says what it waited for. Every answer, and every event of a job, restarts the time. A silent job does not
    count against it: once a gateway has confirmed the job, its stream stays open as long as the job lives. If the
    gateway, or the log behind it, is lost, the stream breaks within 40 s, and the time starts. Calls that need time for
    their work (`wait`, `submit_many`, ingests) have that time in addition.

    `observer` is notified of what the client waits for.

    Example:
        async with WeftClient("127.0.0.1:7600", key) as weft:
            async for token in weft.generate("Who keeps the light?", collection="handbook"):
                print(token.text, end="")

    Raises:
        ValueError: the endpoint is not valid.
    """

    def __init__(self, endpoint: str, key: str, *, patience_s: float = 30.0, observer: Observer | None = None) -> None:
        self.endpoint = endpoint
        self._connection = Connection(endpoint, key, patience_s, observer)
        self._jobs = rpc.GatewayServiceStub(self._connection.raw)
        self._router = router_pb2_grpc.RouterServiceStub(self._connection.raw)
        self._cache = cache_pb2_grpc.CacheServiceStub(self._connection.raw)
        self.documents = Documents(self._connection)
        self.ingests = IngestJobs(self._connection)
        self.webhooks = Webhooks(self._connection)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def reach(self, within_s: float) -> None:
        """Connects. Calls also connect by themselves, but wait longer.

        Raises:
            WeftError: no gateway answers in time.
        """
        await self._connection.reach(within_s)

    def generate(
        self,
        prompt: str,
        request_id: str = "",
        *,
        on_disconnect: pb.OnDisconnect.ValueType = pb.ON_DISCONNECT_DETACH,
        detach_for_s: float = 0.0,
        expire_in_s: float | None = None,
        **options: Unpack[ChatOptions],
    ) -> Generation:
        """Asks one question and streams the answer; see `run`."""
        return self.run(
            chat(prompt, **options),
            request_id,
            on_disconnect=on_disconnect,
            detach_for_s=detach_for_s,
            expire_in_s=expire_in_s,
        )

    def run(
        self,
        request: job_pb2.GenerationRequest,
        request_id: str = "",
        *,
        on_disconnect: pb.OnDisconnect.ValueType = pb.ON_DISCONNECT_DETACH,
        detach_for_s: float = 0.0,
        expire_in_s: float | None = None,
    ) -> Generation:
        """Submits a request and streams its job. With the same `request_id` a repeat joins the first job.

        Args:
            request: what to generate.
            request_id: makes the call idempotent; a random one by default.
            on_disconnect: what happens to the job if the stream is left before its end.
            detach_for_s: with DETACH_FOR, how long the job goes on without a reader; 1 s to 1 h.
            expire_in_s: ends the call, and the job with it, after this time.
        """
        asked = pb.GenerateRequest(
            request_id=request_id or uuid4().hex,
            request=request,
            expire_with_call=expire_in_s is not None,
            on_disconnect=on_disconnect,
        )
        if detach_for_s:
            asked.detach_for.CopyFrom(duration(detach_for_s))
        left_s = _countdown(_STREAM_S if expire_in_s is None else expire_in_s)
        begin = partial(self._generated, asked, left_s)
        follow = partial(self._streamed, left_s)
        # Only a Generate call stops the job when it is left; repeating it joins the same job, from the beginning.
        resume = follow if on_disconnect in _RUNS_ON else lambda _job_id, _after: begin()
        return self._reading(begin, resume)

    def follow(self, job_id: str, after_sequence: int = 0) -> Generation:
        """Streams an existing job, while it runs or afterwards."""
        resume = partial(self._streamed, _countdown(_STREAM_S))
        begin = partial(resume, job_id, after_sequence)
        return self._reading(begin, resume, after_sequence)

    async def events(self, job_id: str, after_sequence: int = 0) -> AsyncGenerator[event_pb2.JobEvent, None]:
        """Yields the events in a job's log, each once, until `done`. Raises WeftError."""
        last_sequence = after_sequence
        left_s = _countdown(_STREAM_S)

        async def is_over() -> bool:
            return last_sequence == after_sequence > 0

        streams = Streams(
            lambda: self._streamed(left_s, job_id, last_sequence),
            is_over,
            self._connection.patience(),
            self._connection.observer,
        )
        async with aclosing(streams.events(after_sequence)) as events:
            async for event in events:
                last_sequence = event.sequence
                yield event

    async def submit(self, request: job_pb2.GenerationRequest, request_id: str = "") -> job_pb2.Job:
        """Makes a job durable and returns at once."""
        asked = pb.SubmitJobRequest(request_id=request_id or uuid4().hex, request=request)
        return (await self._connection.ask(self._jobs.SubmitJob, asked)).job

    async def submit_many(self, items: Iterable[Item]) -> list[Outcome]:
        """Makes many jobs durable, 1,000 per call; returns for each item, in order, its job or its error.

        A SubmitJobRequest among the items may have its own request id; every other item gets one.
        """
        ask = partial(self._connection.ask_once, self._jobs.SubmitJobs, work_s=_BATCH_S)
        return await submit_all(items, ask, self._connection.patience(), self._connection.observer)

    async def job(self, job_id: str, wait_s: float = 0.0) -> job_pb2.Job:
        """Returns a job's record; waits up to `wait_s`, at most 60 s, for the job's end."""
        asked = pb.GetJobRequest(job_id=job_id)
        asked.wait.CopyFrom(duration(wait_s))
        return (await self._connection.ask(self._jobs.GetJob, asked, wait_s)).job

    async def wait(self, job_id: str, limit_s: float = _STREAM_S) -> job_pb2.Job:
        """Returns a job's record once the job has ended, or at the time limit: check its state."""
        left_s = _countdown(limit_s)
        while True:
            job = await self.job(job_id, min(_POLL_S, max(0.0, left_s())))
            if job.state in TERMINAL or left_s() <= 0:
                return job

    async def jobs(
        self, limit: int = 50, states: Sequence[job_pb2.JobState.ValueType] = (), **filters: Unpack[JobFilters]
    ) -> list[job_pb2.Job]:
        """Returns the newest jobs, without requests and answers."""
        ask = partial(self._connection.ask, self._jobs.ListJobs)
        return await first(limit, ask, to_list(states, filters), attrgetter("jobs"))

    async def cancel(self, job_id: str, message: str = "") -> job_pb2.Job:
        """Asks a job to stop."""
        asked = pb.CancelJobRequest(job_id=job_id, message=message)
        return (await self._connection.ask(self._jobs.CancelJob, asked)).job

    async def delete_job(self, job_id: str) -> None:
        """Deletes a finished job: its record and webhook, its events in the log, and its answer in the cache.

        From then on it is NOT_FOUND; its request id cannot be used again while the log would have kept the job.
        """
        await self._connection.ask(self._jobs.DeleteJob, pb.DeleteJobRequest(job_id=job_id), _DELETE_S)

    async def usage(self) -> pb.GetUsageResponse:
        """Returns what the tenant and this key have spent, and their limits; see `budgets.tokens_left`,
        `micros_left`.
        """
        return await self._connection.ask(self._jobs.GetUsage, pb.GetUsageRequest())

    async def providers(self, model: str = "") -> Sequence[router_pb2.Provider]:
        """Returns the providers as one router sees them: all, or those that serve a model alias."""
        return (await self.list_providers(model)).providers

    async def list_providers(self, model: str = "") -> router_pb2.ListProvidersResponse:
        """Returns the same with the state of the router's catalog."""
        asked = router_pb2.ListProvidersRequest(model=model)
        return await self._connection.ask(self._router.ListProviders, asked)

    async def models(self) -> Sequence[router_pb2.Model]:
        """Returns the model aliases a request may name."""
        return (await self.list_models()).models

    async def list_models(self) -> router_pb2.ListModelsResponse:
        """Returns the same with the state of one router's catalog."""
        return await self._connection.ask(self._router.ListModels, router_pb2.ListModelsRequest())

    async def cache_stats(self) -> cache_pb2.GetStatsResponse:
        """Returns the tenant's cache counters."""
        return await self._connection.ask(self._cache.GetStats, cache_pb2.GetStatsRequest())

    async def forget_answers(
        self, *, model: str = "", collection: str = "", tag: str = "", document_ids: Sequence[str] = ()
    ) -> int:
        """Deletes the tenant's cached answers, all of them or those that match every filter given; returns how many.

        `document_ids` are documents of the collection, and match answers based on any of them.
        """
        asked = cache_pb2.InvalidateRequest(model=model, collection=collection, tag=tag, document_ids=document_ids)
        return (await self._connection.ask(self._cache.Invalidate, asked)).invalidated

    def _reading(self, begin: Callable[[], Events], resume: Callable[[str, int], Events], after: int = 0) -> Generation:
        patience, observer = self._connection.patience(), self._connection.observer
        return Generation(begin, resume, after_sequence=after, patience=patience, observer=observer)

    @asynccontextmanager
    async def _generated(
        self, asked: pb.GenerateRequest, left_s: Callable[[], float]
    ) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        async with self._connection.stream(self._jobs.Generate, asked, left_s()) as replies:
            yield (reply.event async for reply in replies)

    @asynccontextmanager
    async def _streamed(
        self, left_s: Callable[[], float], job_id: str, after: int
    ) -> AsyncIterator[AsyncIterator[event_pb2.JobEvent]]:
        asked = pb.StreamJobRequest(job_id=job_id, after_sequence=after)
        async with self._connection.stream(self._jobs.StreamJob, asked, left_s()) as replies:
            yield (reply.event async for reply in replies)


def _countdown(limit_s: float) -> Callable[[], float]:
    """Returns a function that returns the seconds left of the limit, counted from now."""
    until = monotonic() + limit_s
    return lambda: until - monotonic()
