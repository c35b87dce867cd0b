"""The messages between the service and document processes: JSON in frames, each with a kind and a length."""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, TypeAdapter

from weft_retrieval.analysis.analysis import AnalysedTerms
from weft_retrieval.analysis.languages import LANGUAGES
from weft_retrieval.chunking.chunking import Chunk, Chunking
from weft_retrieval.formats import ContentType

HEADER: Final = Struct("!cI")
"""A frame's kind, and the bytes of JSON that follow."""


def _stemmed(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError("is no language that words are stemmed as")
    return language


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """A document to read, without its content, and its collection's settings."""

    document_id: str
    title: str
    source_uri: str
    content_type: ContentType | None
    chunking: Chunking
    language: str
    """The language of its words; "detected" if it is to be detected."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is given: an order, its CPU time in whole seconds, and the length of the content."""

    order: ReadOrder
    cpu_s: int
    content_bytes: int


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """What was found out about the document. Its chunks follow, in order, then End."""

    title: str
    content_type: ContentType
    language: Annotated[str, AfterValidator(_stemmed)]


@dataclass(frozen=True, slots=True)
class AnalysedChunk:
    """A chunk with its terms."""

    chunk: Chunk
    terms: AnalysedTerms


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """Everything was sent."""


@dataclass(frozen=True, slots=True)
class ReadRefusal:
    """The document cannot be read; the message says what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Reading it failed because of our bug."""

    traceback: str


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document, parsed and split."""

    title: str
    content_type: ContentType
    language: str
    chunks: list[AnalysedChunk]


Message: TypeAlias = Task | FoundDocument | AnalysedChunk | ProcessEnd | ReadRefusal | Broken

_KINDS: Final[dict[bytes, type[Message]]] = {
    b"t": Task,
    b"f": FoundDocument,
    b"c": AnalysedChunk,
    b"e": ProcessEnd,
    b"r": ReadRefusal,
    b"b": Broken,
}
_TAGS: Final = {kind: tag for tag, kind in _KINDS.items()}
_ADAPTERS: Final = {kind: TypeAdapter[Message](kind) for kind in _TAGS}


def encoded(message: Message) -> bytes:
    """Returns a frame."""
    kind = type(message)
    body = _ADAPTERS[kind].dump_json(message)
    return HEADER.pack(_TAGS[kind], len(body)) + body


def decoder(header: bytes) -> tuple[Callable[[bytes], Message], int]:
    """Returns the decoder of the frame that a header begins, and the length of its body; both raise ValueError."""
    tag, size = HEADER.unpack(header)
    if tag not in _KINDS:
        raise ValueError(f"no message is of kind {tag!r}")
    adapter = _ADAPTERS[_KINDS[tag]]
    return lambda body: adapter.validate_json(body, strict=True), size
