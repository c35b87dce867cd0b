"""The work on one document: its format is parsed, its text split, the words of its chunks turned into terms."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from weft_kit.rpc.errors import Invalid
from weft_retrieval.analysis.analysis import analyzer
from weft_retrieval.analysis.languages import DETECTED, settled
from weft_retrieval.chunking.chunking import Chunking, Cutter
from weft_retrieval.chunking.tokens import load_tokenizer
from weft_retrieval.document_processes.messages import (
    AnalysedChunk,
    FoundDocument,
    Message,
    ProcessEnd,
    ReadOrder,
    ReadRefusal,
)
from weft_retrieval.formats import parse, unreadable
from weft_retrieval.uploads import Upload

Reading: TypeAlias = Callable[[ReadOrder, bytes], Iterator[Message]]
"""Yields Found, each chunk, and End; or a Refusal instead of any of them."""

_SAMPLE = ReadOrder("sample", "", "sample.md", None, Chunking(), DETECTED)


def reading(tokenizer_path: Path | None, window_tokens: int) -> Reading:
    """Loads everything that reading needs, and reads a sample, which loads the rest."""
    cutter = Cutter(load_tokenizer(tokenizer_path), window_tokens)

    def read(order: ReadOrder, content: bytes) -> Iterator[Message]:
        try:
            yield from _read(cutter, order, content)
        except Invalid as refused:
            yield ReadRefusal(refused.message)

    list(read(_SAMPLE, b"# A sample\n\nIts words."))
    return read


def _read(cutter: Cutter, order: ReadOrder, content: bytes) -> Iterator[Message]:
    upload = Upload(content, order.document_id, order.title, order.source_uri, order.content_type)
    kind = upload.kind()
    parsed = parse(content, kind)
    title = upload.title_for(parsed)
    chunks = cutter.chunks(order.document_id, title, parsed, order.chunking)
    if not chunks:
        raise unreadable("the document holds no words; leave it out, or send one that has some")
    language = settled(order.language, parsed.text)
    yield FoundDocument(title, kind, language)
    analyze = analyzer(language)
    for chunk in chunks:
        yield AnalysedChunk(chunk, analyze(f"{chunk.context}\n{chunk.text}"))
    yield ProcessEnd()
