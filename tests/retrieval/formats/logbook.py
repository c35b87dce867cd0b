"""A document format as docs/extending.md has one added: a file with a reader, and the value that the registry lists."""

import re
from enum import StrEnum

from weft_retrieval.formats.document_format import DocumentFormat
from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.text import decode


class Kind(StrEnum):
    LOGBOOK = "logbook"


def read_logbook(content: bytes) -> Parsed:
    """Reads a day as a heading, and what was noted of it as its text."""
    draft = Draft(len(content))
    for line in decode(content).split("\n")[1:]:
        day, _, note = line.partition(": ")
        draft.heading(day, 1)
        draft.paragraph(note)
    return draft.parsed()


LOGBOOK = DocumentFormat(
    content_type=Kind.LOGBOOK,
    description="a logbook",
    read=read_logbook,
    begins=re.compile(rb"LOGBOOK\n"),
    overrides_plain_name=True,
)
