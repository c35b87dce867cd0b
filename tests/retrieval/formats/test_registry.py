"""The formats that are read: each kind of the contract is one, and one more is added by its file and a line."""

import pytest
from tests.retrieval.formats.logbook import LOGBOOK, Kind

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.document_names import SUFFIXES, ContentType
from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats.document_format import DocumentFormats
from weft_retrieval.formats.registry import FORMATS

KINDS = [name.removeprefix("CONTENT_TYPE_") for name in pb.ContentType.keys()[1:]]
WITH_LOGBOOKS = DocumentFormats([*FORMATS, LOGBOOK])
PAGE = b"LOGBOOK\nMonday: lit the lamp\nTuesday: trimmed the wick\n"


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_the_contract_has_a_reader_a_description_and_suffixes(name: str) -> None:
    kind = ContentType[name]
    assert FORMATS[kind].content_type is kind
    assert callable(FORMATS[kind].read)
    assert FORMATS[kind].description
    assert kind.suffixes
    assert {SUFFIXES[suffix] for suffix in kind.suffixes} == {kind}


def test_no_kind_is_unknown_to_the_contract() -> None:
    assert [kind.name for kind in ContentType] == KINDS
    assert [one.content_type for one in FORMATS] == list(ContentType)


@pytest.mark.parametrize("name", ["", "monday", "monday.py"])
def test_a_format_that_is_added_is_detected_and_read(name: str) -> None:
    assert WITH_LOGBOOKS.detect(name, PAGE) is Kind.LOGBOOK
    read = WITH_LOGBOOKS.parse(PAGE, Kind.LOGBOOK)
    assert read.text == "Monday\n\nlit the lamp\n\nTuesday\n\ntrimmed the wick\n\n"
    assert [heading.title for heading in read.headings] == ["Monday", "Tuesday"]


def test_a_format_that_is_added_takes_nothing_from_the_others() -> None:
    assert WITH_LOGBOOKS.detect("monday.md", PAGE) is ContentType.MARKDOWN
    assert WITH_LOGBOOKS.detect("", b"# Monday") is ContentType.MARKDOWN
    assert FORMATS.detect("", PAGE) is ContentType.TEXT


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.7 endobj", "the document looks like a PDF, not a logbook; send it as PDF"),
        (b"LOGBOOK\n", "the document holds no text; leave it out, or send one that has some"),
    ],
)
def test_a_format_that_is_added_is_told_by_its_description(content: bytes, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        WITH_LOGBOOKS.parse(content, Kind.LOGBOOK)
    assert caught.value.message == told
