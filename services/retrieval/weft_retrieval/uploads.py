"""What a client sends to be ingested, checked before anything expensive happens."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Invalid, InvalidFields
from weft_kit.validation.texts import text_problem
from weft_retrieval.analysis.languages import language_problem
from weft_retrieval.formats import ContentType, Parsed, detect

READING = 2
"""Version of parsing and splitting. When it changes, a document that is sent again is parsed again."""

MAX_DOCUMENT_ID = 512
_MAX_LINE = 2048


@dataclass(frozen=True)
class Upload:
    """A document with its bytes, as sent; empty text and None mean "not given"."""

    content: bytes
    document_id: str = ""
    title: str = ""
    source_uri: str = ""
    content_type: ContentType | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""

    @cached_property
    def content_hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """Returns a hash of everything sent but the id, and of how it is parsed; if it is equal there is nothing to
        do.
        """
        described = [READING, self.content_hash, self.title, self.source_uri, self.content_type, dict(self.metadata)]
        if self.language:
            described.append(self.language)
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    def kind(self) -> ContentType:
        return self.content_type or detect(self.source_uri or self.document_id, self.content)

    def title_for(self, parsed: Parsed) -> str:
        """Returns the given title, else the document's own or its first heading, else the source's last part."""
        first = parsed.headings[0].title if parsed.headings and parsed.title is None else parsed.title
        if self.title or first:
            return self.title or (first or "")[:_MAX_LINE]
        path = self.source_uri.partition("?")[0].partition("#")[0]
        return path.rstrip("/").rpartition("/")[2]


def check_upload(upload: Upload, max_bytes: int) -> None:
    """Raises Invalid(REQUEST_TOO_LARGE) or InvalidFields."""
    size = len(upload.content)
    if size > max_bytes:
        message = f"the document has {size} bytes, and at most {max_bytes} are read; split it"
        reason = error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
        raise Invalid(reason, message, size_bytes=str(size), limit_bytes=str(max_bytes))
    problems = {
        f"document.{name}": problem
        for name, value, most in (
            ("document_id", upload.document_id, MAX_DOCUMENT_ID),
            ("title", upload.title, _MAX_LINE),
            ("source_uri", upload.source_uri, _MAX_LINE),
        )
        if (problem := _problem(value, most))
    }
    if upload.language and (problem := language_problem(upload.language)):
        problems["document.language"] = problem
    if not upload.content:
        problems["document.content"] = "must not be empty"
    if problems:
        raise InvalidFields(problems)


def document_id_problem(given: str) -> str:
    """Returns what is wrong with an id, "" when nothing is; an empty one is made from the content."""
    return _problem(given, MAX_DOCUMENT_ID)


def _problem(value: str, most: int) -> str:
    if len(value) > most:
        return f"has {len(value)} characters, at most {most} are allowed"
    return text_problem(value)
