"""Conversion between own types and weft.retrieval.v1; what cannot be read is named field by field."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.errors import InvalidFields
from weft_kit.rpc.time import timestamp
from weft_kit.tasks import LoopShare
from weft_retrieval.analysis.analyses import chunks_by_language
from weft_retrieval.analysis.languages import language_problem
from weft_retrieval.chunking.chunking import Chunking
from weft_retrieval.formats import ContentType
from weft_retrieval.ingest.ingest import Ingested, IngestOutcome
from weft_retrieval.metadata import MAX_FACTS
from weft_retrieval.ranking.fusion import Scored
from weft_retrieval.records import Collection, Document, SearchHit
from weft_retrieval.storage.filters import Compiled, compile_filter
from weft_retrieval.uploads import MAX_DOCUMENT_ID, Upload

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_MAX_QUERY = 8192
_MAX_TOP_K = 100
_DEFAULT_TOP_K = 10
_SCALARS = {"string_value", "number_value", "bool_value"}
_WIRE_OUTCOMES = {
    IngestOutcome.CREATED: pb.IngestResponse.OUTCOME_CREATED,
    IngestOutcome.UPDATED: pb.IngestResponse.OUTCOME_UPDATED,
    IngestOutcome.UNCHANGED: pb.IngestResponse.OUTCOME_UNCHANGED,
}


def _content_types() -> "dict[pb.ContentType.ValueType, ContentType]":
    """Returns the kinds of documents by their values in the contract, which has the same members by the same names."""
    by_name = {f"CONTENT_TYPE_{kind.name}": kind for kind in ContentType}
    if differing := by_name.keys() ^ set(pb.ContentType.keys()[1:]):
        raise RuntimeError(
            "weft.retrieval.v1.ContentType and weft_kit.document_names.ContentType must have the same members; only "
            f"one has {', '.join(sorted(differing))}; add what is missing to the other, and run `make protos`"
        )
    return {pb.ContentType.Value(name): kind for name, kind in by_name.items()}


_CONTENT_TYPES = _content_types()
_WIRE_TYPES = {kind: number for number, kind in _CONTENT_TYPES.items()}


def collection_name(name: str, field: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidFields({field: "must be 1 to 64 of [a-z0-9_-]"})
    return name


def chunking(options: pb.ChunkingOptions) -> Chunking:
    default = Chunking()
    size = options.max_tokens if options.HasField("max_tokens") else default.max_tokens
    # The default overlap would be more than half of a small chunk.
    overlap = options.overlap_tokens if options.HasField("overlap_tokens") else min(default.overlap_tokens, size // 8)
    problems = {}
    if not 64 <= size <= 4000:
        problems["chunking.max_tokens"] = f"must be 64 to 4000, not {size}"
    if not 0 <= overlap * 2 < max(size, 1):
        problems["chunking.overlap_tokens"] = f"must be 0 or more and less than half of {size}, not {overlap}"
    if problems:
        raise InvalidFields(problems)
    return Chunking(size, overlap)


def language(given: str) -> str:
    """Reads a language, which is required."""
    if problem := language_problem(given):
        raise InvalidFields({"language": problem})
    return given


def upload(document: pb.Document) -> Upload:
    return Upload(
        content=document.content,
        document_id=document.document_id,
        title=document.title,
        source_uri=document.source_uri,
        content_type=_CONTENT_TYPES.get(document.content_type),
        metadata=_metadata(document.metadata),
        language=document.language,
    )


async def uploads(documents: Iterable[pb.Document]) -> list[Upload]:
    """Reads documents one by one. Each takes milliseconds, and other calls run in between."""
    read, share = [], LoopShare()
    for document in documents:
        read.append(upload(document))
        await share.pause()
    return read


def document_id(given: str) -> str:
    if not 1 <= len(given) <= MAX_DOCUMENT_ID:
        raise InvalidFields({"document_id": f"must be 1 to {MAX_DOCUMENT_ID} characters"})
    return given


def query(text: str) -> str:
    if not 1 <= len(text) <= _MAX_QUERY:
        raise InvalidFields({"query": f"must be 1 to {_MAX_QUERY} characters, not {len(text)}"})
    return text


def top_k(given: int) -> int:
    if not 0 <= given <= _MAX_TOP_K:
        raise InvalidFields({"top_k": f"must be 1 to {_MAX_TOP_K}, not {given}"})
    return given or _DEFAULT_TOP_K


def allowed(request: pb.SearchRequest) -> Compiled | None:
    return compile_filter(request.filter) if request.HasField("filter") else None


def with_feedback(request: pb.SearchRequest) -> bool | None:
    return request.feedback if request.HasField("feedback") else None


def collection_to_wire(collection: Collection) -> pb.Collection:
    return pb.Collection(
        name=collection.name,
        version=collection.version,
        document_count=collection.document_count,
        chunk_count=collection.chunk_count,
        embedder=collection.embedder,
        chunking=pb.ChunkingOptions(
            max_tokens=collection.chunking.max_tokens, overlap_tokens=collection.chunking.overlap_tokens
        ),
        create_time=timestamp(collection.create_time),
        language=collection.language,
        languages=[
            pb.LanguageCount(language=language, chunk_count=chunks)
            for language, chunks in chunks_by_language(collection.analysed).items()
        ],
        analysing=collection.is_analysing,
    )


def document_to_wire(document: Document) -> pb.Document:
    return pb.Document(
        document_id=document.document_id,
        title=document.title,
        source_uri=document.source_uri,
        content_type=_WIRE_TYPES[document.content_type],
        metadata=_struct(document.metadata),
        content_hash=document.content_hash,
        chunk_count=document.chunk_count,
        ingest_time=timestamp(document.ingest_time),
        language=document.language,
    )


def ingested_to_wire(ingested: Ingested) -> pb.IngestResponse:
    return pb.IngestResponse(
        document=document_to_wire(ingested.document),
        outcome=_WIRE_OUTCOMES[ingested.outcome],
        collection_version=ingested.collection_version,
        embedded_chunks=ingested.embedded_chunks,
    )


def hit_to_wire(hit: SearchHit) -> pb.Hit:
    return pb.Hit(
        chunk_id=hit.chunk_id,
        document_id=hit.document_id,
        title=hit.title,
        source_uri=hit.source_uri,
        text=hit.text,
        headings=hit.headings,
        ordinal=hit.ordinal,
        score=hit.score,
        dense=_leg(hit.dense),
        keyword=_leg(hit.keyword),
        metadata=_struct(hit.metadata),
    )


def _leg(scored: Scored | None) -> pb.LegScore | None:
    return pb.LegScore(rank=scored.rank, score=scored.score) if scored else None


def _metadata(struct: Struct) -> dict[str, Any]:
    """Reads no more of a Struct than it takes to see that it holds too many values."""
    read: dict[str, Any] = {}
    left = MAX_FACTS + 1
    for key, value in islice(struct.fields.items(), left):
        read[key] = [_scalar(one) for one in value.list_value.values[:left]] if _is_list(value) else _scalar(value)
        left -= len(value.list_value.values) or 1
        if left <= 0:
            break
    return read


def _is_list(value: Value) -> bool:
    return value.WhichOneof("kind") == "list_value"


def _scalar(value: Value) -> Any:
    """Reads a text, a number or a boolean; None for what metadata.py refuses: nested values, and null."""
    kind = value.WhichOneof("kind")
    return getattr(value, kind) if kind in _SCALARS else None


def _struct(values: Mapping[str, Any]) -> Struct:
    struct = Struct()
    struct.update(dict(values))
    return struct
