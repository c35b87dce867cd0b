"""Requests to ingest documents, checked before anything is stored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from weft.job.v1 import job_pb2
from weft_kit.rpc.errors import Invalid, InvalidFields
from weft_kit.tasks import LoopShare
from weft_retrieval.ingest.ingest import Ingestor
from weft_retrieval.ingest_jobs.postgres_uploads import Arrival
from weft_retrieval.uploads import Upload, document_id_problem

_UPLOAD_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_LONGEST_REQUEST_ID = 64
_MOST_DOCUMENTS = 10_000
_SHORTEST_S, _LONGEST_S = 1.0, 24 * 3600.0


@dataclass(frozen=True, slots=True)
class IngestOrder:
    """An ingest job to begin. Empty texts and None mean "not given"; `request_hash` is of the whole call."""

    collection: str
    uploads: Sequence[Upload]
    upload_id: str
    request_id: str
    request_hash: str
    skip_duplicates: bool
    priority: job_pb2.Priority.ValueType
    timeout_s: float | None

    def check(self) -> None:
        """Raises InvalidFields."""
        problems = {}
        if len(self.request_id) > _LONGEST_REQUEST_ID:
            problems["request_id"] = f"must be at most {_LONGEST_REQUEST_ID} characters, is {len(self.request_id)}"
        if self.upload_id and not _UPLOAD_ID.fullmatch(self.upload_id):
            problems["upload_id"] = _UPLOAD_ID_RULE
        if not self.uploads and not self.upload_id:
            problems["documents"] = "must hold at least one, unless upload_id names an upload"
        if self.timeout_s is not None and not _SHORTEST_S <= self.timeout_s <= _LONGEST_S:
            problems["timeout"] = f"must be {_SHORTEST_S:g} s to {_LONGEST_S / 3600:g} h, is {self.timeout_s:g} s"
        if problems:
            raise InvalidFields(problems)


_UPLOAD_ID_RULE = "must be 1 to 64 of [a-zA-Z0-9_.:-]"


def check_upload_id(upload_id: str) -> None:
    """Raises InvalidFields unless it can be the name of an upload."""
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise InvalidFields({"upload_id": _UPLOAD_ID_RULE})


async def arrivals(uploads: Sequence[Upload], ingestor: Ingestor) -> list[Arrival]:
    """Yields every document with its name, and why it will not be stored, if so; other calls run in between.

    Raises InvalidFields for what cannot even be named: the call is wrong then, not a document in it.
    """
    if len(uploads) > _MOST_DOCUMENTS:
        raise InvalidFields({"documents": f"must be at most {_MOST_DOCUMENTS} a call, are {len(uploads)}; split them"})
    problems = {
        f"documents[{place}].document_id": problem
        for place, upload in enumerate(uploads)
        if (problem := document_id_problem(upload.document_id))
    }
    if problems:
        raise InvalidFields(problems)
    arrived, share = [], LoopShare()
    for upload in uploads:
        arrived.append(_arrival(upload, ingestor))
        await share.pause()
    return arrived


def _arrival(upload: Upload, ingestor: Ingestor) -> Arrival:
    named = replace(upload, document_id=upload.document_id or upload.content_hash)
    try:
        ingestor.check(upload)
    except Invalid as refusal:
        return Arrival(named, refusal)
    return Arrival(named)
