"""Looks up answers in the cache before a job is queued, without ever waiting long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft_kit.breaker import Breaker, CallBreaker
from weft_kit.cache_key import cache_mode
from weft_kit.catalog.catalog import Catalog
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import DeadlineExceeded, Unavailable, WeftError

ASKED = Counter("weft_gateway_cache_lookups", "Times the cache was asked before queueing.", ["outcome"])

_VERSION_LIMIT_S: Final = 0.25
"""The version of a collection comes at once, or its service has a problem."""


class CacheLookup:
    """Finds stored answers.

    If the cache or retrieval service is down or late the lookup is a miss. A service that is down, or answers no calls
    any more, is not called for a while. `catalog` is read anew each time for an alias's cache setting. The cache
    service does not know the catalog; it is given the resulting mode.
    """

    def __init__(
        self,
        cache: Channel,
        retrieval: Channel,
        catalog: Callable[[], Catalog],
        *,
        limit_s: float = 2.0,
        silence_s: float = 1.0,
        rest_s: float = 1.0,
    ) -> None:
        self._cache = cache
        self._retrieval = retrieval
        self._catalog = catalog
        self._caches = cache_pb2_grpc.CacheServiceStub(cache.raw)
        self._collections = retrieval_pb2_grpc.RetrievalServiceStub(retrieval.raw)
        self._limit_s = limit_s
        # Separate breakers: a failing retrieval service must not keep requests without a collection from the cache.
        self._cache_breaker, self._retrieval_breaker = (
            CallBreaker(Breaker(threshold=3, rest_s=rest_s), silence_s, silence_counts=3) for _ in range(2)
        )

    async def find(self, request: job_pb2.GenerationRequest) -> cache_pb2.Found | None:
        """Returns the stored answer that may serve this request of the current tenant."""
        mode = cache_mode(request, self._catalog().cache_setting(request.model))
        if mode == job_pb2.CACHE_MODE_OFF:
            return None
        try:
            found = await self._look_up(request, mode)
        except _LeftAloneError:
            return None
        except Unavailable:
            ASKED.labels("down").inc()
            return None
        except DeadlineExceeded:
            ASKED.labels("late").inc()
            return None
        except WeftError:
            # Such as a collection that does not exist. The job will say so in its record.
            found = None
        ASKED.labels("hit" if found else "miss").inc()
        return found

    async def _look_up(
        self, request: job_pb2.GenerationRequest, mode: job_pb2.CacheMode.ValueType
    ) -> cache_pb2.Found | None:
        version = await self._collection_version(request.retrieval.collection)
        question = cache_pb2.LookupRequest(request=request, collection_version=version)
        question.request.cache.mode = mode
        with _watched(self._cache_breaker):
            answer = await self._cache.unary(self._caches.Lookup(question, **self._cache.call(self._limit_s)))
        return answer.found if answer.HasField("found") else None

    async def _collection_version(self, collection: str) -> int:
        """Returns the version that an answer must be based on: one from before the last ingest is stale. 0 without
        retrieval.
        """
        if not collection:
            return 0
        question = retrieval_pb2.GetCollectionRequest(name=collection)
        limit_s = min(self._limit_s, _VERSION_LIMIT_S)
        with _watched(self._retrieval_breaker):
            call = self._collections.GetCollection(question, **self._retrieval.call(limit_s))
            answer = await self._retrieval.unary(call)
        return answer.collection.version


class _LeftAloneError(Exception):
    """A service is not being called now."""


@contextmanager
def _watched(breaker: CallBreaker) -> Iterator[None]:
    """Reports the outcome of the call in the block to a breaker.

    Raises _LeftAloneError instead of calling, and Unavailable if the call was late and no other call is answered
    either.
    """
    if not breaker.allows():
        raise _LeftAloneError
    with breaker.call() as call:
        try:
            yield
        except DeadlineExceeded as error:
            # Down only if other calls were not answered either: it may just be busy.
            if call.late():
                raise Unavailable(error.reason, error.message) from error
            raise
        except Unavailable:
            call.failed()
            raise
        except WeftError:
            call.succeeded()
            raise
        call.succeeded()
