"""The retrieval service as it ships, on a PostgreSQL of its own, and a client."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_compose.servers import PostgresServer, serving
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_retrieval.config import Config
from weft_retrieval.server import retrieval

TENANT = "bench"
_CALL_S = 600.0


@dataclass(frozen=True, slots=True)
class Client:
    """One tenant's view of the service."""

    channel: Channel
    context: CallContext

    @property
    def stub(self) -> rpc.RetrievalServiceStub:
        return rpc.RetrievalServiceStub(self.channel.raw)

    async def create(self, name: str, **chunking: int) -> None:
        request = pb.CreateCollectionRequest(name=name, chunking=pb.ChunkingOptions(**chunking))
        with bound(self.context):
            await self.channel.unary(self.stub.CreateCollection(request, **self.channel.call(_CALL_S)))

    async def collection(self, name: str) -> pb.Collection:
        request = pb.GetCollectionRequest(name=name)
        with bound(self.context):
            answer = await self.channel.unary(self.stub.GetCollection(request, **self.channel.call(_CALL_S)))
        return answer.collection

    async def set_language(self, name: str, language: str) -> None:
        request = pb.UpdateCollectionRequest(name=name, language=language)
        with bound(self.context):
            await self.channel.unary(self.stub.UpdateCollection(request, **self.channel.call(_CALL_S)))

    async def ingest(self, collection: str, document_id: str, title: str, text: str) -> pb.IngestResponse:
        document = pb.Document(
            document_id=document_id, title=title, content=text.encode(), content_type=pb.CONTENT_TYPE_TEXT
        )
        request = pb.IngestRequest(collection=collection, document=document)
        with bound(self.context):
            return await self.channel.unary(self.stub.Ingest(request, **self.channel.call(_CALL_S)))

    async def search(
        self, collection: str, query: str, top_k: int, *, feedback: bool | None = None
    ) -> pb.SearchResponse:
        request = pb.SearchRequest(collection=collection, query=query, top_k=top_k, feedback=feedback)
        with bound(self.context):
            return await self.channel.unary(self.stub.Search(request, **self.channel.call(_CALL_S)))


@contextmanager
def postgres(folder: Path) -> Iterator[PostgresServer]:
    """Runs PostgreSQL with its default settings, except the memory for building an HNSW index."""
    settings = {"maintenance_work_mem": "1GB", "shared_buffers": "1GB"}
    with serving(lambda port: PostgresServer(folder, port, settings=settings)) as server:
        yield server


@asynccontextmanager
async def service(
    postgres_url: str, inference: str, settings: Mapping[str, float] | None = None
) -> AsyncIterator[Client]:
    """Runs the service in this process and connects a client to it."""
    config = Config(
        listen="127.0.0.1:0", postgres_url=postgres_url, inference_target=inference, grace_s=0, **(settings or {})
    )
    async with retrieval(config) as server, Channel(server.address, "retrieval") as channel:
        yield Client(channel, CallContext(tenant=TENANT))
