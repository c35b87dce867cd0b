"""A document about to be stored, and what is stored already."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft_kit.stores.postgres import Connection
from weft_retrieval.analysis.analyses import Analysed
from weft_retrieval.analysis.analysis import AnalysedTerms
from weft_retrieval.chunking.chunking import Chunk
from weft_retrieval.formats import ContentType
from weft_retrieval.metadata import Fact
from weft_retrieval.records import Collection, Document


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A document to store, read and checked, without its content. Equal fingerprints mean that nothing changed."""

    document_id: str
    title: str
    source_uri: str
    content_type: ContentType
    metadata: Mapping[str, Any]
    facts: Sequence[Fact]
    content_hash: str
    fingerprint: str
    language: str
    """What it is stemmed as."""
    language_given: bool = False
    """Whether its sender set it."""


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk with what both retrievers need: its terms, and a vector for each of its readable windows."""

    chunk: Chunk
    terms: AnalysedTerms
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Revision:
    """A new version of a document: all its chunks, and those that are `new`, with vectors of `embedder`.

    `only_copy` keeps a new document out whose content is there under another id. `receipt` is called in the transaction
    that stores the document; what it raises undoes that.
    """

    entry: IndexEntry
    chunks: Sequence[Chunk]
    new: Sequence[IndexedChunk]
    embedder: str
    time: datetime
    only_copy: bool = False
    receipt: Callable[[Connection], Awaitable[None]] | None = None

    @property
    def dimensions(self) -> int:
        """Of the new vectors; 0 when there are none."""
        return int(self.new[0].vectors.shape[1]) if self.new else 0

    def stored(self) -> Document:
        """Returns the document as it then stands."""
        entry = self.entry
        return Document(
            entry.document_id,
            entry.title,
            entry.source_uri,
            entry.content_type,
            entry.metadata,
            entry.content_hash,
            len(self.chunks),
            self.time,
            entry.language,
        )


@dataclass(frozen=True, slots=True)
class IndexStanding:
    """What is stored under a document id: nothing, or a document and the keys of its chunks."""

    collection: Collection
    document: Document | None
    fingerprint: str
    keys: frozenset[str]

    def same_content(self, other: "IndexStanding") -> bool:
        return (self.fingerprint, self.keys) == (other.fingerprint, other.keys)


@dataclass(frozen=True, slots=True)
class Change:
    """How many documents, chunks, windows and terms a write brought or, negative, took, and how many chunks are new.

    `analysed` has the chunks by the analysis of their terms.
    """

    documents: int = 0
    chunks: int = 0
    windows: int = 0
    length: int = 0
    new_chunks: int = 0
    analysed: Analysed = field(default_factory=dict)

    def __add__(self, other: "Change") -> "Change":
        return Change(
            self.documents + other.documents,
            self.chunks + other.chunks,
            self.windows + other.windows,
            self.length + other.length,
            self.new_chunks + other.new_chunks,
            {key: self.analysed.get(key, 0) + other.analysed.get(key, 0) for key in {*self.analysed, *other.analysed}},
        )
