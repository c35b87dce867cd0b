"""BM25: how well chunks match a query's terms, from the postings of those terms."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from struct import Struct

import numpy as np
from numpy.typing import NDArray

Leg = list[tuple[int, float]]
"""Chunk ids with the leg's score, best first."""

# What one posting says: the chunk's id, how often it holds the term, and how many terms it holds in all.
_POSTING = Struct(">qHH")
POSTING_BYTES = _POSTING.size
_POSTINGS = np.dtype([("chunk", ">i8"), ("frequency", ">u2"), ("length", ">u2")])
_MOST = 2**16 - 1
# Ids that span more than so many times their number are sorted: a table over all of them would be mostly empty.
_SPARSE = 16


@dataclass(frozen=True, slots=True)
class Bm25:
    """The two constants: how quickly further occurrences of a term stop counting, and how much long chunks are
    penalised.
    """

    k1: float
    b: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """A collection's statistics, which its postings do not contain."""

    chunk_count: int
    total_length: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scored chunks in no order."""

    chunks: NDArray[np.int64]
    scores: NDArray[np.float64]

    def best(self, count: int) -> Leg:
        """Returns the `count` best; ties are broken by id."""
        chunks, scores = self.chunks, self.scores
        if len(scores) > count:
            # Sorting all of them would take longer than scoring them did.
            least = np.partition(scores, -count)[-count]
            chunks, scores = chunks[scores >= least], scores[scores >= least]
        order = np.lexsort((chunks, -scores))[:count]
        return list(zip(chunks[order].tolist(), scores[order].tolist(), strict=True))

    def only(self, chunks: NDArray[np.int64]) -> "Ranking":
        kept = np.isin(self.chunks, chunks)
        return Ranking(self.chunks[kept], self.scores[kept])


def pack(chunk: int, frequency: int, length: int) -> bytes:
    """Returns one posting; counts beyond 65,535 stop there."""
    return _POSTING.pack(chunk, min(frequency, _MOST), min(length, _MOST))


def first_chunk(packed: bytes) -> int:
    """Returns the chunk of the first of packed postings."""
    chunk: int = _POSTING.unpack_from(packed)[0]
    return chunk


def without(packed: bytes, chunks: Collection[int]) -> bytes:
    """Returns packed postings less those of some chunks."""
    found = np.frombuffer(packed, _POSTINGS)
    return found[~np.isin(found["chunk"], list(chunks))].tobytes()


def merged(packed: bytes, added: bytes) -> bytes:
    """Returns packed postings with others among them, ascending; the others stand in place of those of their chunks."""
    chunks = np.frombuffer(added, _POSTINGS)["chunk"].tolist()
    both = np.frombuffer(without(packed, chunks) + added, _POSTINGS)
    return both[np.argsort(both["chunk"], kind="stable")].tobytes()


def rank(postings: Mapping[str, bytes], wanted: Mapping[str, float], of: Statistics, bm25: Bm25) -> Ranking:
    """Scores every chunk that holds a wanted term, given all postings of each, as Lucene does.

    The idf is never negative, and a term counts as much as it is wanted.
    """
    average = of.total_length / max(of.chunk_count, 1)
    chunks, scores = [np.empty(0, np.int64)], [np.empty(0)]
    for term, packed in postings.items():
        found = np.frombuffer(packed, _POSTINGS)
        frequency, length = found["frequency"].astype(np.float64), found["length"].astype(np.float64)
        idf = np.log1p((of.chunk_count - len(found) + 0.5) / (len(found) + 0.5))
        norm = bm25.k1 * (1 - bm25.b + bm25.b * length / average)
        chunks.append(found["chunk"].astype(np.int64))
        scores.append(wanted[term] * idf * (bm25.k1 + 1) * frequency / (frequency + norm))
    return _summed(np.concatenate(chunks), np.concatenate(scores))


def _summed(chunks: NDArray[np.int64], scores: NDArray[np.float64]) -> Ranking:
    """Adds up what each chunk got from several terms; every score is above 0."""
    if not len(chunks):
        return Ranking(chunks, scores)
    first = chunks.min()
    if chunks.max() - first < _SPARSE * len(chunks):
        # Twice as fast as sorting, as long as the ids lie close together.
        sums = np.asarray(np.bincount(chunks - first, scores), np.float64)
        found = np.flatnonzero(sums)
        return Ranking(found + first, sums[found])
    distinct, place = np.unique(chunks, return_inverse=True)
    return Ranking(distinct, np.asarray(np.bincount(place, scores), np.float64))
