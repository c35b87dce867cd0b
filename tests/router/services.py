"""Scripted neighbours of the router, each a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft.job.v1 import event_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft_kit.rpc.context import current_tenant
from weft_kit.rpc.errors import NotFound, WeftError
from weft_kit.rpc.server import Server, Service

ENGINE_CATALOG = """
[providers.engine]
kind = "inference"
target = "{target}"

[models.default]
routes = [{{ provider = "engine" }}]
"""

USAGE = chat_pb2.Usage(prompt_tokens=7, completion_tokens=3)


@asynccontextmanager
async def serving(name: str, add: Callable[[object, grpc.aio.Server], None], servicer: object) -> AsyncIterator[str]:
    async with Server("127.0.0.1:0", [Service(name, add, servicer)], grace_s=0) as server:
        yield server.address


class Engine(inference_pb2_grpc.InferenceServiceServicer):
    """Says `words`, less what the prefix holds already; then `fails`, hangs or finishes.

    Each of `interruptions` ends one request: after so many words, 0 for none at all, with that failure.
    """

    def __init__(self, *words: str) -> None:
        self.words = words
        self.continues_prefix = True
        self.fails: WeftError | None = None
        self.interruptions: list[tuple[int, WeftError]] = []
        self.hangs = False
        self.leaves_out_the_end = False
        self.requests: list[inference_pb2.GenerateRequest] = []
        self.aborted = asyncio.Event()

    def running(self) -> AbstractAsyncContextManager[str]:
        add = inference_pb2_grpc.add_InferenceServiceServicer_to_server
        return serving("weft.inference.v1.InferenceService", add, self)

    async def Generate(
        self, request: inference_pb2.GenerateRequest, _: object
    ) -> AsyncIterator[inference_pb2.GenerateResponse]:
        self.requests.append(request)
        said, failure = self.interruptions.pop(0) if self.interruptions else (len(self.words), self.fails)
        if failure and not said:
            raise failure
        yield inference_pb2.GenerateResponse(admitted=inference_pb2.Admitted(model="tiny-engine-model"))
        for word in self.words[len(request.prefix.split()) :][:said]:
            yield inference_pb2.GenerateResponse(delta=event_pb2.Delta(text=word, token_count=1))
        if failure:
            raise failure
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.aborted.set()
        if not self.leaves_out_the_end:
            finished = inference_pb2.Finished(finish_reason=chat_pb2.FINISH_REASON_STOP, usage=USAGE)
            yield inference_pb2.GenerateResponse(finished=finished)

    async def GetEngine(self, _request: inference_pb2.GetEngineRequest, _: object) -> inference_pb2.GetEngineResponse:
        return inference_pb2.GetEngineResponse(continues_prefix=self.continues_prefix)


class Library(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Finds the same hits for everybody in the collection "guide" of tenant "acme", and nothing else.

    Each of `failures` ends one search.
    """

    def __init__(self, *hits: retrieval_pb2.Hit) -> None:
        self.hits = hits
        self.requests: list[retrieval_pb2.SearchRequest] = []
        self.failures: list[WeftError] = []
        self.version = 12
        self.hangs = False
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    def running(self) -> AbstractAsyncContextManager[str]:
        add = retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server
        return serving("weft.retrieval.v1.RetrievalService", add, self)

    async def Search(self, request: retrieval_pb2.SearchRequest, _: object) -> retrieval_pb2.SearchResponse:
        self.requests.append(request)
        self.asked.set()
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        if self.failures:
            raise self.failures.pop(0)
        if (current_tenant(), request.collection) != ("acme", "guide"):
            raise NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, "no such collection; create it first")
        return retrieval_pb2.SearchResponse(hits=self.hits, collection_version=self.version)


class Shelf(cache_pb2_grpc.CacheServiceServicer):
    """Keeps what it is given, by tenant, in the order it came."""

    def __init__(self) -> None:
        self.stored: asyncio.Queue[tuple[str, cache_pb2.StoreRequest]] = asyncio.Queue()

    def running(self) -> AbstractAsyncContextManager[str]:
        return serving("weft.cache.v1.CacheService", cache_pb2_grpc.add_CacheServiceServicer_to_server, self)

    async def Store(self, request: cache_pb2.StoreRequest, _: object) -> cache_pb2.StoreResponse:
        self.stored.put_nowait((current_tenant(), request))
        return cache_pb2.StoreResponse(stored=True)
