"""Ingest jobs from weft.retrieval.v1."""

import hashlib

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.time import seconds_of
from weft_retrieval import wire
from weft_retrieval.ingest_jobs.requests import IngestOrder


async def order(request: pb.IngestDocumentsRequest) -> IngestOrder:
    """Reads what is to be ingested; raises InvalidFields."""
    return IngestOrder(
        collection=wire.collection_name(request.collection, "collection"),
        uploads=await wire.uploads(request.documents),
        upload_id=request.upload_id,
        request_id=request.request_id,
        request_hash=hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest(),
        skip_duplicates=request.skip_duplicates,
        priority=request.priority,
        timeout_s=seconds_of(request.timeout) if request.HasField("timeout") else None,
    )
