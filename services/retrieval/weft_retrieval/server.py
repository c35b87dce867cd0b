"""How the retrieval service is assembled."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_kit import metrics
from weft_kit.joblog import JobLog
from weft_kit.languages import known as known_languages
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.readiness import WHOLE, Need, Readiness
from weft_kit.rpc.server import Server, Service
from weft_kit.stores.page_tokens import PageTokens
from weft_kit.tasks import regularly
from weft_retrieval.config import Config
from weft_retrieval.deletion import CollectionDeletion
from weft_retrieval.document_processes.fork_client import ForkServerCommand, fork_server
from weft_retrieval.document_processes.pool import DocumentProcesses
from weft_retrieval.document_processes.pool import ProcessLimits as DocumentLimits
from weft_retrieval.inference.batches import SharedBatches
from weft_retrieval.inference.embedder import EmbeddingClient
from weft_retrieval.inference.reranker import RerankingClient
from weft_retrieval.ingest.ingest import Ingestor
from weft_retrieval.ingest_jobs.jobs import IngestJobStore, IngestLimits
from weft_retrieval.ingest_jobs.log_connection import LogLink
from weft_retrieval.ingest_jobs.postgres_uploads import Uploads
from weft_retrieval.ingest_jobs.run import IngestDependencies
from weft_retrieval.ingest_jobs.storing import StoringRoom
from weft_retrieval.ingest_jobs.worker import IngestWorker
from weft_retrieval.invalidation import Invalidation
from weft_retrieval.ranking.bm25 import Bm25
from weft_retrieval.search.exact_search import ExactSearch
from weft_retrieval.search.feedback import Feedback, FeedbackOptions
from weft_retrieval.search.search import Fusion, Searcher
from weft_retrieval.servicer import RetrievalServicer
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore
from weft_retrieval.storage.index import HnswIndexes
from weft_retrieval.storage.invalidation_outbox import InvalidationOutbox
from weft_retrieval.storage.postgres import TenantDatabase
from weft_retrieval.storage.reanalysis import Reanalysis
from weft_retrieval.storage.search import Index

ROLES: Final = ("serve", "work")
# How long a start waits for PostgreSQL and NATS to confirm their mesh. If they are down the service starts without.
_IDENTITY_S: Final = 2.0
_SERVICE: Final = "weft.retrieval.v1.RetrievalService"
_RESULT_SHARE: Final = 16
"""What comes back of a document, in the largest one's size: chunks, windows under their headings, and terms."""


@asynccontextmanager
async def retrieval(
    config: Config, roles: Collection[str] = ROLES, forking: ForkServerCommand = fork_server
) -> AsyncIterator[Server | None]:
    """Runs the roles asked for while the context lasts. Yields the server, or None without "serve".

    `forking` returns the command of the server that forks processes for documents.

    Raises:
        OtherMesh: NATS or PostgreSQL is another mesh's.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        inference = await stack.enter_async_context(Channel(config.inference_target, "inference"))
        database = await stack.enter_async_context(_database(config))
        indexes = await stack.enter_async_context(HnswIndexes(database, exact_windows=config.exact_windows))
        await database.identity(_IDENTITY_S)
        log = config.log.of_mesh(config.mesh_id)
        link = await stack.enter_async_context(LogLink(config.nats_url, log, database.identity))
        await link.judged(_IDENTITY_S)
        embedder = _embedder(config, inference)
        batches = await stack.enter_async_context(_batches(config, embedder))
        processes = await stack.enter_async_context(_processes(config, forking))
        ingestor = _ingestor(config, database, batches, processes, indexes)
        readiness = await stack.enter_async_context(Readiness(_needs(config, database, link)))
        server = None
        if "serve" in roles:
            await asyncio.to_thread(known_languages)  # reads the model, so that no document waits for it
            deletion = CollectionDeletion(database, indexes)
            servicer = _servicer(config, database, link, inference, embedder, ingestor, deletion)
            add = rpc.add_RetrievalServiceServicer_to_server
            services = (Service(_SERVICE, add, servicer),)
            request_limits = RequestLimits(held_bytes=config.held_request_bytes)
            server = Server(config.listen, services, grace_s=config.grace_s, limits=request_limits, readiness=readiness)
            await stack.enter_async_context(server)
        if "work" in roles:
            await stack.enter_async_context(_upkeep(config, database))
            await stack.enter_async_context(_worker(config, database, link, ingestor, batches).working())
        yield server


def _needs(config: Config, database: TenantDatabase, link: LogLink) -> list[Need]:
    """Searches need only PostgreSQL, ingest jobs the log too."""
    needs = [Need("postgresql", database.check, frozenset({WHOLE, _SERVICE}))]
    if config.nats_url:
        needs += [Need("nats", link.check), Need("clock", link.check_clock)]
    return needs


def _servicer(
    config: Config,
    database: TenantDatabase,
    link: LogLink,
    inference: Channel,
    embedder: EmbeddingClient,
    ingestor: Ingestor,
    deletion: CollectionDeletion,
) -> RetrievalServicer:
    catalog, documents = Collections(database), DocumentStore(database)
    reranker = _reranker(config, inference)
    limits = IngestLimits(config.staged_bytes_per_tenant, config.ingest_jobs_per_tenant, config.ingest_timeout_s)
    jobs = IngestJobStore(link, database, Uploads(database), ingestor, limits)
    unindexed = ExactSearch(config.unindexed_budget_s)
    index = _index(config, database)
    searcher = Searcher(
        catalog,
        index,
        unindexed,
        embedder,
        reranker,
        _fusion(config),
        Feedback(index, _feedback(config)),
        feedback_by_default=config.feedback,
    )
    tokens = PageTokens(catalog.page_token_key)
    return RetrievalServicer(catalog, documents, deletion, ingestor, jobs, searcher, tokens, config.language)


def _processes(config: Config, forking: ForkServerCommand) -> DocumentProcesses:
    limits = DocumentLimits(
        processes=config.document_processes,
        cpu_s=config.document_cpu_s,
        cpu_s_per_mib=config.document_cpu_s_per_mib,
        memory_bytes=config.document_memory_bytes,
        result_bytes=_RESULT_SHARE * config.max_document_bytes,
        waiting_bytes=config.document_waiting_bytes,
    )
    return DocumentProcesses(forking(config.tokenizer_path, config.window_tokens), limits)


def _ingestor(
    config: Config, database: TenantDatabase, batches: SharedBatches, processes: DocumentProcesses, indexes: HnswIndexes
) -> Ingestor:
    return Ingestor(
        DocumentStore(database),
        batches,
        processes,
        indexes,
        max_bytes=config.max_document_bytes,
        writes_at_once=config.ingest_writes_at_once,
    )


def _worker(
    config: Config, database: TenantDatabase, link: LogLink, ingestor: Ingestor, batches: SharedBatches
) -> IngestWorker:
    room = StoringRoom(config.ingest_documents_at_once, config.ingest_bytes_at_once)

    def means(log: JobLog) -> IngestDependencies:
        return IngestDependencies(log, database, Uploads(database), ingestor, batches, room)

    return IngestWorker(means, link, slots=config.ingest_jobs_at_once)


@asynccontextmanager
async def _upkeep(config: Config, database: TenantDatabase) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        cache = None
        if config.cache_target:
            cache = await stack.enter_async_context(Channel(config.cache_target, "cache"))
        forgetting = Invalidation(InvalidationOutbox(database), cache)
        await stack.enter_async_context(regularly("tell the cache", forgetting.tell, config.forget_poll_s))
        reanalysis = Reanalysis(database)
        await stack.enter_async_context(regularly("analyse stored chunks", reanalysis.step, config.reanalysis_poll_s))
        await stack.enter_async_context(regularly("sweep uploads", Uploads(database).sweep, config.sweep_poll_s))
        yield


def _database(config: Config) -> TenantDatabase:
    return TenantDatabase(
        config.postgres_url,
        connections=config.postgres_connections,
        hnsw_ef_search=config.hnsw_ef_search,
        mesh_id=config.mesh_id,
    )


def _embedder(config: Config, inference: Channel) -> EmbeddingClient:
    return EmbeddingClient(
        inference, batch_texts=config.embed_batch_texts, batches_in_flight=config.embed_batches_in_flight
    )


def _batches(config: Config, embedder: EmbeddingClient) -> SharedBatches:
    batch_texts, in_flight = config.embed_batch_texts, config.embed_batches_in_flight
    return SharedBatches(embedder, batch_texts=batch_texts, batches_in_flight=in_flight)


def _index(config: Config, database: TenantDatabase) -> Index:
    return Index(database, Bm25(config.bm25_k1, config.bm25_b), exact_windows=config.exact_windows)


def _fusion(config: Config) -> Fusion:
    return Fusion(config.top_n, config.dense_weight, config.keyword_weight, config.rerank_weight)


def _feedback(config: Config) -> FeedbackOptions:
    return FeedbackOptions(
        config.feedback_chunks,
        config.feedback_terms,
        config.feedback_keyword_share,
        config.feedback_dense_share,
        config.feedback_budget_s,
    )


def _reranker(config: Config, inference: Channel) -> RerankingClient | None:
    if not config.rerank_depth:
        return None
    return RerankingClient(inference, depth=config.rerank_depth, budget_s=config.rerank_budget_s)
