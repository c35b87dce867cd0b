"""Documents of a tenant that is being deleted: stops its ingest jobs, deletes its collections."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from google.protobuf.message import Message

from weft.common.v1 import error_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_gateway.tenants.deleted import CANCEL_MESSAGE, Deleted
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import WeftError

_LIMIT_S: Final = 110.0
_PAGE: Final = 1000

Answer = TypeVar("Answer")


class TenantCollections:
    """Deletes everything of the current tenant in retrieval. Raises DependencyDown when it does not answer."""

    def __init__(self, retrieval: Channel) -> None:
        self._channel = retrieval
        self._stub = rpc.RetrievalServiceStub(retrieval.raw)

    async def delete_all(self, deleted: Deleted) -> bool:
        """Cancels ingest jobs, and deletes every collection that no job stores into; returns whether none is left."""
        await self._cancel_jobs(deleted)
        none_is_left = True
        for collection in await self._collections():
            try:
                await self._ask(self._stub.DeleteCollection, pb.DeleteCollectionRequest(name=collection))
            except WeftError as error:
                if error.reason == error_pb2.ERROR_REASON_COLLECTION_BUSY:
                    none_is_left = False
                elif error.reason != error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND:
                    raise
            else:
                deleted.collections += 1
        return none_is_left

    async def _cancel_jobs(self, deleted: Deleted) -> None:
        asked = pb.ListIngestJobsRequest(page_size=_PAGE)
        while True:
            page = await self._ask(self._stub.ListIngestJobs, asked)
            for job in page.jobs:
                if not job.HasField("end_time"):
                    deleted.cancelled_jobs += 1
                    cancel = pb.CancelIngestJobRequest(job_id=job.job_id, message=CANCEL_MESSAGE)
                    await self._ask(self._stub.CancelIngestJob, cancel)
            if not page.next_page_token:
                return
            asked.page_token = page.next_page_token

    async def _collections(self) -> list[str]:
        names: list[str] = []
        asked = pb.ListCollectionsRequest(page_size=_PAGE)
        while True:
            page = await self._ask(self._stub.ListCollections, asked)
            names += [collection.name for collection in page.collections]
            if not page.next_page_token:
                return names
            asked.page_token = page.next_page_token

    async def _ask(self, method: Callable[..., Awaitable[Answer]], request: Message) -> Answer:
        return await self._channel.unary(method(request, **self._channel.call(_LIMIT_S)))
