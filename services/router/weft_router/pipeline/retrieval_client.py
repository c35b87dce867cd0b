"""Context from the retrieval service."""

from dataclasses import dataclass

import grpc

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import WeftError
from weft_router.job.job import JobFailed

_DEFAULT_TOP_K = 4
_QUERY_CHARACTERS = 8192
_MAY_PASS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class FoundContext:
    """Chunks, best first, and the version of their collection."""

    hits: tuple[retrieval_pb2.Hit, ...]
    collection_version: int


class Retrieval:
    """Searches the tenant's collections."""

    def __init__(self, channel: Channel, limit_s: float) -> None:
        self._channel = channel
        self._stub: retrieval_pb2_grpc.RetrievalServiceAsyncStub = retrieval_pb2_grpc.RetrievalServiceStub(channel.raw)
        self._limit_s = limit_s

    async def find(self, options: job_pb2.RetrievalOptions, question: str) -> FoundContext:
        """Searches as the request says.

        Raises:
            JobFailed: RETRIEVAL_FAILED. An answer without the requested context would be wrong.
        """
        request = retrieval_pb2.SearchRequest(
            collection=options.collection,
            query=question[:_QUERY_CHARACTERS],
            top_k=options.top_k if options.HasField("top_k") else _DEFAULT_TOP_K,
            filter=options.filter if options.HasField("filter") else None,
        )
        try:
            call = self._stub.Search(request, **self._channel.call(self._limit_s))
            response = await self._channel.unary(call)
        except WeftError as error:
            raise JobFailed(_failure(options.collection, error)) from None
        return FoundContext(tuple(response.hits), response.collection_version)


def _failure(collection: str, error: WeftError) -> job_pb2.JobError:
    return job_pb2.JobError(
        reason=error_pb2.ERROR_REASON_RETRIEVAL_FAILED,
        message=f"searching collection {collection!r} failed with {error.reason_name}: {error.message}",
        retryable=error.status in _MAY_PASS,
    )
