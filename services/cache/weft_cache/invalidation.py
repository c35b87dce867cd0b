"""Reads which answers a caller wants to invalidate."""

from typing import Final

from weft.cache.v1 import cache_pb2
from weft_cache.records import InvalidationNames
from weft_kit.rpc.errors import InvalidFields

_MOST_DOCUMENTS: Final = 1_000


def read_names(request: cache_pb2.InvalidateRequest) -> InvalidationNames:
    """Reads a request. Raises InvalidFields."""
    violations: dict[str, str] = {}
    if len(request.document_ids) > _MOST_DOCUMENTS:
        found = len(request.document_ids)
        violations["document_ids"] = f"must be at most {_MOST_DOCUMENTS:,}, are {found:,}; call again with the others"
    if any(not id_ for id_ in request.document_ids):
        violations["document_ids"] = "must not be empty texts"
    if (request.document_ids or request.collection_version) and not request.collection:
        violations["collection"] = "is required with document_ids and collection_version: documents are told by both"
    if violations:
        raise InvalidFields(violations)
    return InvalidationNames(
        request.model, request.collection, request.tag, tuple(request.document_ids), request.job_id
    )
