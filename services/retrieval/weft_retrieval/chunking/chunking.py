"""Chunks: the pieces of a document that are returned, each with the windows that are indexed for it."""

import hashlib
from collections import Counter
from dataclasses import dataclass

from tokenizers import Tokenizer

from weft_retrieval.chunking.splitter import Borders, Span, cut
from weft_retrieval.chunking.tokens import Ruler
from weft_retrieval.chunking.windows import Windows, breadcrumb
from weft_retrieval.formats import Outline, Parsed


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are split, in tokens of the embedder."""

    max_tokens: int = 800
    overlap_tokens: int = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a document. Its key identifies everything indexed for it, so a stored chunk never changes."""

    key: str
    ordinal: int
    text: str
    headings: tuple[str, ...]
    context: str
    """Title and headings that are not in the text themselves; indexed with it."""
    windows: tuple[str, ...]


class Cutter:
    """Splits documents, with one embedder's tokenizer."""

    def __init__(self, tokenizer: Tokenizer, window_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._windows = Windows(tokenizer, window_tokens)

    def chunks(self, document_id: str, title: str, parsed: Parsed, chunking: Chunking) -> list[Chunk]:
        """Splits a document; the same arguments give the same chunks with the same keys."""
        ruler = Ruler(self._tokenizer, parsed.text)
        if ruler.empty:
            return []
        outline = Outline(parsed.headings)
        borders = Borders(ruler, outline.offsets)
        whole = Span(0, len(parsed.text))
        seen: Counter[str] = Counter()
        chunks = []
        for ordinal, span in enumerate(cut(ruler, borders, whole, chunking.max_tokens, chunking.overlap_tokens)):
            text = parsed.text[span.start : span.end].strip()
            above = outline.over(span.start)
            windows = tuple(self._windows.over(ruler, borders, outline, title, span))
            digest = _digest(document_id, *(heading.title for heading in above), *windows, text)
            chunks.append(
                Chunk(
                    key=_digest(digest, str(seen[digest]))[:32],
                    ordinal=ordinal,
                    text=text,
                    headings=tuple(heading.title for heading in above),
                    context=" ".join(breadcrumb(title, above, span.start)),
                    windows=windows,
                )
            )
            seen[digest] += 1
        return chunks


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
