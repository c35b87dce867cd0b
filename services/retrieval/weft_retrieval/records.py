"""The service's records: collections, documents, and the chunks that a search found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weft_retrieval.analysis.analyses import Analysed
from weft_retrieval.analysis.analysis import ANALYSIS
from weft_retrieval.chunking.chunking import Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.ranking.fusion import Scored


@dataclass(frozen=True, slots=True)
class Collection:
    """A tenant's collection as it was when it was read. Everything in it is reached through one of these."""

    id: int
    tenant: str
    name: str
    chunking: Chunking
    language: str
    """The stemming of its documents: one language, or "detected", each document's own."""
    embedder: str
    dimensions: int
    version: int
    document_count: int
    chunk_count: int
    window_count: int
    total_length: int
    hnsw: bool
    analysis: int
    """The oldest analysis that some of its terms are of; 0 while some are of another language than they should be."""
    analysed: Analysed
    create_time: datetime

    @property
    def is_analysing(self) -> bool:
        """Whether some of its chunks are to be analysed anew."""
        return self.analysis < ANALYSIS

    def lacks_index(self, exact_windows: int) -> bool:
        """Returns whether it has too many windows to compare one by one, and no index yet."""
        return not self.hnsw and self.window_count > exact_windows


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document, without its content."""

    document_id: str
    title: str
    source_uri: str
    content_type: ContentType
    metadata: Mapping[str, Any]
    content_hash: str
    chunk_count: int
    ingest_time: datetime
    language: str
    """The language of its stems; empty while that has to be determined again."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A chunk that a search found, with each retriever's result."""

    chunk_id: str
    document_id: str
    title: str
    source_uri: str
    text: str
    headings: tuple[str, ...]
    ordinal: int
    metadata: Mapping[str, Any]
    score: float
    dense: Scored | None
    keyword: Scored | None
