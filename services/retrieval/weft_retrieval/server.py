"""How the retrieval service is put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_kit import metrics
from weft_kit.channel import Channel
from weft_kit.server import Server, Service
from weft_retrieval.chunking import Cutter
from weft_retrieval.config import Config
from weft_retrieval.hnsw_indexes import HnswIndexes
from weft_retrieval.inference_embedder import Embedder
from weft_retrieval.ingest import Ingestor
from weft_retrieval.postgres import Database
from weft_retrieval.postgres_catalog import Catalog
from weft_retrieval.postgres_documents import Documents
from weft_retrieval.postgres_search import Bm25, Index
from weft_retrieval.search import Fusion, Searcher
from weft_retrieval.servicer import RetrievalServicer
from weft_retrieval.tokens import load_tokenizer


@asynccontextmanager
async def retrieval(config: Config) -> AsyncIterator[Server]:
    """Runs the service while the context lasts; yields its server."""
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        inference = await stack.enter_async_context(Channel(config.inference_target, "inference"))
        database = await stack.enter_async_context(_database(config))
        indexes = await stack.enter_async_context(HnswIndexes(database, exact_windows=config.exact_windows))
        embedder = _embedder(config, inference)
        catalog, documents = Catalog(database), Documents(database)
        cutter = Cutter(load_tokenizer(config.tokenizer_path), config.window_tokens)
        ingestor = Ingestor(documents, embedder, cutter, indexes, max_bytes=config.max_document_bytes)
        searcher = Searcher(catalog, _index(config, database), embedder, _fusion(config))
        servicer = RetrievalServicer(catalog, documents, ingestor, searcher, config.language)
        add = rpc.add_RetrievalServiceServicer_to_server
        services = (Service("weft.retrieval.v1.RetrievalService", add, servicer),)
        yield await stack.enter_async_context(Server(config.listen, services, grace_s=config.grace_s))


def _database(config: Config) -> Database:
    return Database(config.postgres_url, connections=config.postgres_connections, hnsw_ef_search=config.hnsw_ef_search)


def _embedder(config: Config, inference: Channel) -> Embedder:
    return Embedder(inference, batch_texts=config.embed_batch_texts, batches_in_flight=config.embed_batches_in_flight)


def _index(config: Config, database: Database) -> Index:
    return Index(database, Bm25(config.bm25_k1, config.bm25_b), exact_windows=config.exact_windows)


def _fusion(config: Config) -> Fusion:
    return Fusion(config.top_n, config.rrf_k, config.dense_weight, config.keyword_weight)
