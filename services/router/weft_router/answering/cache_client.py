"""Sends finished answers to the cache service and finds stored ones; jobs do not notice when it is down."""

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Self

from google.protobuf import duration_pb2
from prometheus_client import Counter

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import budget_pb2, chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.cache_key import cache_mode
from weft_kit.catalog.catalog import Catalog
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import WeftError
from weft_kit.tasks import TaskSet
from weft_router import metrics

_LIMIT_S = 2.0
_MOST_UNDER_WAY = 256


def may_be_stored(mode: job_pb2.CacheMode.ValueType, done: event_pb2.Done) -> bool:
    """Returns whether this answer may be stored: its policy allows it, it is complete, and it was made for this job.

    An answer from the cache is stored already, with its own age and question.
    """
    answer = done.answer
    if done.HasField("cache_hit") or answer.finish_reason != chat_pb2.FINISH_REASON_STOP or answer.tool_calls:
        return False
    return mode != job_pb2.CACHE_MODE_OFF


def cost_of(done: event_pb2.Done) -> budget_pb2.Cost | None:
    """Returns the cost of the attempt that answered, without that of other attempts."""
    costs = [one.cost for one in _succeeded(done) if one.HasField("cost")]
    return costs[-1] if costs else None


def generation_time(done: event_pb2.Done) -> duration_pb2.Duration | None:
    """Returns how long the attempt that answered took; None if it only listened to another job's call."""
    times = [one.duration for one in _succeeded(done) if one.HasField("duration") and not one.joined_job_id]
    return times[-1] if times else None


def _succeeded(done: event_pb2.Done) -> list[job_pb2.Attempt]:
    return [one for one in done.attempts if one.result == job_pb2.Attempt.RESULT_SUCCEEDED]


class AnswerCache:
    """Stores answers in the background. Leaving the context waits for those in progress.

    `catalog` is read anew each time for an alias's cache setting. The cache service does not know the catalog; it is
    given the resulting mode, and the recorded request stays as it was sent.
    """

    def __init__(self, channel: Channel, catalog: Callable[[], Catalog]) -> None:
        self._channel = channel
        self._catalog = catalog
        self._stub: cache_pb2_grpc.CacheServiceAsyncStub = cache_pb2_grpc.CacheServiceStub(channel.raw)
        self._under_way = TaskSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._under_way.wait()

    def keep(self, job_id: str, accepted: event_pb2.Accepted, collection_version: int, done: event_pb2.Done) -> None:
        """Reports a successful job to the cache, in the background: its answer if that may be stored, and an audit's
        result. Too many at once are dropped and counted.
        """
        request, answer = accepted.request, done.answer
        mode = self._mode(request)
        if accepted.HasField("audit"):
            report = cache_pb2.ReportAuditRequest(model=request.model, audit=accepted.audit, answer=answer)
            report.collection_version = collection_version
            self._start(self._report(report), metrics.CACHE_AUDITS)
        elif may_be_stored(mode, done):
            stored = cache_pb2.StoreRequest(
                request=request, collection_version=collection_version, answer=answer, job_id=job_id
            )
            stored.request.cache.mode = mode
            if cost := cost_of(done):
                stored.cost.CopyFrom(cost)
            if took := generation_time(done):
                stored.generation_time.CopyFrom(took)
            self._start(self._store(stored), metrics.CACHE_STORES)

    async def find(
        self, request: job_pb2.GenerationRequest, collection_version: int, stale_within_s: int = 0
    ) -> cache_pb2.Found | None:
        """Returns a stored answer that the request's policy accepts; None if there is none, or no cache.

        With `stale_within_s` it may be older than the request wants, or based on another version of its collection.
        """
        mode = self._mode(request)
        if mode == job_pb2.CACHE_MODE_OFF:
            return None
        wanted = cache_pb2.LookupRequest(request=request, collection_version=collection_version)
        wanted.request.cache.mode = mode
        if stale_within_s:
            wanted.stale_within.FromSeconds(stale_within_s)
        try:
            response = await self._channel.unary(self._stub.Lookup(wanted, **self._channel.call(_LIMIT_S)))
        except WeftError:
            return None
        return response.found if response.HasField("found") else None

    def _mode(self, request: job_pb2.GenerationRequest) -> job_pb2.CacheMode.ValueType:
        return cache_mode(request, self._catalog().cache_setting(request.model))

    def _start(self, telling: Coroutine[object, object, None], counted: Counter) -> None:
        if len(self._under_way) >= _MOST_UNDER_WAY:
            telling.close()
            counted.labels("dropped").inc()
            return
        self._under_way.start(telling)

    async def _report(self, request: cache_pb2.ReportAuditRequest) -> None:
        try:
            response = await self._channel.unary(self._stub.ReportAudit(request, **self._channel.call(_LIMIT_S)))
        except WeftError:
            metrics.CACHE_AUDITS.labels("failed").inc()
            return
        verdict = cache_pb2.ReportAuditResponse.Verdict.Name(response.verdict)
        metrics.CACHE_AUDITS.labels(verdict.removeprefix("VERDICT_").lower()).inc()

    async def _store(self, request: cache_pb2.StoreRequest) -> None:
        try:
            response = await self._channel.unary(self._stub.Store(request, **self._channel.call(_LIMIT_S)))
        except WeftError:
            metrics.CACHE_STORES.labels("failed").inc()
            return
        metrics.CACHE_STORES.labels("stored" if response.stored else "refused").inc()
