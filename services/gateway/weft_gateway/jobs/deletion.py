"""Deletes jobs for good: their record and webhook, their events in the log, their answer in the cache."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_kit.cache_key import cacheable
from weft_kit.joblog import JobGone, JobLog, envelope_of
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import current, remaining_to_pass_on
from weft_kit.rpc.errors import Overloaded
from weft_kit.time_limits import time_limit

_LIMIT_S: Final = 5.0
_AT_ONCE: Final = 16
_MESSAGE: Final = "the job that it asks again was deleted"


class JobDeletion:
    """Deletes finished jobs. A repeat completes a deletion that failed half-way.

    Raises DependencyDown when a service that holds data of the job does not answer.
    """

    def __init__(self, log: JobLog, store: ErasureStore, cache: Channel) -> None:
        self._log = log
        self._store = store
        self._cache = cache
        self._caches = cache_pb2_grpc.CacheServiceStub(cache.raw)

    async def delete(self, tenant: str, job_id: str, known: Sequence[event_pb2.JobEvent]) -> None:
        """Deletes a job with these lasting events, and the jobs that repeated it to audit the cache."""
        again = await self._store.second_askings(tenant, job_id)
        for second in again:
            await self._end(second)
            # Before it leaves the record, since that is where a repeat looks for it.
            await self._log.erase(second)
        if may_be_cached(known):
            await self.forget(cache_pb2.InvalidateRequest(job_id=job_id))
        await self.erase([job_id, *again])
        caller = current()
        structlog.get_logger().info(
            "job deleted", job_id=job_id, tenant=tenant, key_id=caller.key_id, call_id=caller.call_id
        )

    async def erase(self, job_ids: Sequence[str]) -> None:
        """Deletes finished jobs from record and log; from the record first, which then ignores later events of them."""
        if not job_ids:
            return
        await self._store.delete(job_ids)
        places = asyncio.Semaphore(_AT_ONCE)

        async def erase(job_id: str) -> None:
            async with places:
                await self._log.erase(job_id)

        await asyncio.gather(*map(erase, job_ids))

    async def forget(self, which: cache_pb2.InvalidateRequest) -> int:
        """Invalidates cached answers of the current tenant; returns how many."""
        call = self._caches.Invalidate(which, **self._cache.call(_LIMIT_S))
        return (await self._cache.unary(call)).invalidated

    async def _end(self, job_id: str) -> None:
        """Cancels a job and waits for its end. Raises Overloaded if that takes too long."""
        message = f"job {job_id}, which asks this one again for the cache, still stops; delete it again in a moment"
        late = partial(Overloaded, message, retry_after_s=1.0)
        with suppress(JobGone):
            last = await self._log.request_cancel(job_id, _MESSAGE)
            if last.HasField("done"):
                return
            limit_s = remaining_to_pass_on(_LIMIT_S)
            async with time_limit(limit_s, late), self._log.follow(job_id, last.sequence) as events:
                async for _ in events:
                    pass  # its end is the last


def may_be_cached(known: Sequence[event_pb2.JobEvent]) -> bool:
    """Returns whether the cache may hold an answer that this job produced. An answer it got from the cache is another
    job's.
    """
    done = known[-1].done
    if done.state != job_pb2.JOB_STATE_SUCCEEDED or done.HasField("cache_hit"):
        return False
    # Without its contents a request no longer shows its cache policy. Its alias is not asked: it may have changed since
    # the answer was stored.
    return done.HasField("contents_delete_time") or cacheable(envelope_of(known[0]).request)
