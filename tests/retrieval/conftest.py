"""The retrieval service on real PostgreSQL, with an embedder whose vectors are easy to foresee."""

import asyncio
import hashlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.server import Server, Service
from weft_retrieval.config import Config
from weft_retrieval.document_processes.fork_client import ForkServerCommand
from weft_retrieval.server import retrieval

DIMENSIONS = 64


class WordEmbedder(inference_pb2_grpc.InferenceServiceServicer):
    """Serves Embed: texts with the same words are near each other, others far. Remembers what it read."""

    def __init__(self) -> None:
        self.name = "words-64"
        self.dimensions = DIMENSIONS
        self.texts: list[str] = []
        self.truncates = False
        self.reranked: list[int] = []
        self.rerank_opens = asyncio.Event()
        self.rerank_opens.set()

    async def Embed(self, request: inference_pb2.EmbedRequest, _: object) -> inference_pb2.EmbedResponse:
        self.texts.extend(request.texts)
        embeddings = [
            inference_pb2.Embedding(values=self.vector(text), truncated=self.truncates) for text in request.texts
        ]
        return inference_pb2.EmbedResponse(embeddings=embeddings, embedder=self.name)

    async def Rerank(self, request: inference_pb2.RerankRequest, _: object) -> inference_pb2.RerankResponse:
        """The shortest is the best."""
        self.reranked.append(len(request.documents))
        await self.rerank_opens.wait()
        order = sorted(enumerate(request.documents), key=lambda document: len(document[1]))
        results = [inference_pb2.RerankResult(index=index, score=-len(text)) for index, text in order]
        return inference_pb2.RerankResponse(results=results)

    def vector(self, text: str) -> np.ndarray:
        words = re.findall(r"\w+", text.lower()) or [""]
        total = np.sum([self._direction(word) for word in words], axis=0)
        return total / np.linalg.norm(total)

    def _direction(self, word: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        return np.random.default_rng(seed).standard_normal(self.dimensions)


class Client:
    """One tenant's view of the service, over a real socket."""

    def __init__(self, channel: Channel, tenant: str) -> None:
        self._channel = channel
        self._stub = rpc.RetrievalServiceStub(channel.raw)
        self._context = CallContext(tenant=tenant)
        self.limit_s = 30.0

    async def _call(self, method: str, request: Any) -> Any:
        with bound(self._context):
            return await self._channel.unary(getattr(self._stub, method)(request, **self._channel.call(self.limit_s)))

    async def create(self, name: str = "docs", language: str = "", **chunking: int) -> pb.Collection:
        request = pb.CreateCollectionRequest(name=name, language=language, chunking=pb.ChunkingOptions(**chunking))
        return (await self._call("CreateCollection", request)).collection

    async def get(self, name: str = "docs") -> pb.Collection:
        return (await self._call("GetCollection", pb.GetCollectionRequest(name=name))).collection

    async def update(self, language: str, name: str = "docs") -> pb.Collection:
        request = pb.UpdateCollectionRequest(name=name, language=language)
        return (await self._call("UpdateCollection", request)).collection

    async def collections(self, page_size: int = 0, page_token: str = "") -> pb.ListCollectionsResponse:
        request = pb.ListCollectionsRequest(page_size=page_size, page_token=page_token)
        return await self._call("ListCollections", request)

    async def ingest(
        self, content: str | bytes, document_id: str = "", collection: str = "docs", **fields: Any
    ) -> pb.IngestResponse:
        metadata = fields.pop("metadata", {})
        content = content.encode() if isinstance(content, str) else content
        document = pb.Document(document_id=document_id, content=content, **fields)
        document.metadata.update(metadata)
        return await self._call("Ingest", pb.IngestRequest(collection=collection, document=document))

    async def delete(self, document_id: str, collection: str = "docs") -> int:
        request = pb.DeleteDocumentRequest(collection=collection, document_id=document_id)
        return (await self._call("DeleteDocument", request)).collection_version

    async def delete_collection(self, name: str = "docs") -> int:
        return (await self._call("DeleteCollection", pb.DeleteCollectionRequest(name=name))).deleted_documents

    async def documents(
        self, collection: str = "docs", page_size: int = 0, page_token: str = ""
    ) -> pb.ListDocumentsResponse:
        request = pb.ListDocumentsRequest(collection=collection, page_size=page_size, page_token=page_token)
        return await self._call("ListDocuments", request)

    async def search(self, query: str, collection: str = "docs", **fields: Any) -> pb.SearchResponse:
        return await self._call("Search", pb.SearchRequest(collection=collection, query=query, **fields))


ClientOf = Callable[[str], Client]
Running = Callable[..., AbstractAsyncContextManager[ClientOf]]


@pytest.fixture(scope="session")
def loaded_fork_servers() -> Iterator[ForkServerCommand]:
    """Fork servers that start at once. Those that come of the command itself: `fork_server`."""
    name = f"weft-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        loaded = subprocess.Popen([sys.executable, "-m", "tests.retrieval.loaded_fork_server"], stdin=listener.fileno())
    connect = str(Path(__file__).with_name("connect_fork_server.py"))

    def command(tokenizer: Path | None, window_tokens: int) -> list[str]:
        return [sys.executable, "-IS", connect, name, str(window_tokens), *([str(tokenizer)] if tokenizer else [])]

    yield command
    loaded.kill()
    loaded.wait()


@pytest.fixture
def forking(loaded_fork_servers: ForkServerCommand) -> ForkServerCommand:
    """What starts the processes for documents of a test's services."""
    return loaded_fork_servers


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
async def inference(embedder: WordEmbedder) -> AsyncIterator[str]:
    """Address of the inference service that serves `embedder`."""
    add = inference_pb2_grpc.add_InferenceServiceServicer_to_server
    service = Service("weft.inference.v1.InferenceService", add, embedder)
    async with Server("127.0.0.1:0", (service,), grace_s=0) as server:
        yield server.address


@pytest.fixture
def running(inference: str, forking: ForkServerCommand) -> Running:
    """Starts retrieval services with settings of one's own; each gives clients by tenant."""

    @asynccontextmanager
    async def run(postgres_url: str, **settings: Any) -> AsyncIterator[ClientOf]:
        defaults = {"listen": "127.0.0.1:0", "inference_target": inference, "grace_s": 0}
        config = Config(**{**defaults, "postgres_url": postgres_url, **settings})
        async with retrieval(config, forking=forking) as server, Channel(server.address, "retrieval") as channel:
            yield lambda tenant: Client(channel, tenant)

    return run


@pytest.fixture
async def client_of(running: Running, postgres_url: str) -> AsyncIterator[ClientOf]:
    async with running(postgres_url) as client_of:
        yield client_of


@pytest.fixture
def client(client_of: ClientOf) -> Client:
    return client_of("acme")
