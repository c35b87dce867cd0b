"""Every kind of document over a real socket: stored by its name, and found by its words."""

import io

import docx
import openpyxl
import pptx
import pytest

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.errors import WeftError


def saved(made) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def word() -> bytes:
    made = docx.Document()
    made.add_heading("Harbour", 1)
    made.add_paragraph("The mooring fee of a ketch is nine marks.")
    return saved(made)


def deck() -> bytes:
    made = pptx.Presentation()
    page = made.slides.add_slide(made.slide_layouts[1])
    page.shapes.title.text = "Harbour"
    page.placeholders[1].text = "The mooring fee of a ketch is nine marks."
    return saved(made)


def book() -> bytes:
    made = openpyxl.Workbook()
    for row in (["Vessel", "Mooring fee"], ["Ketch", "nine marks"], ["Sloop", "7 marks"]):
        made.active.append(row)
    return saved(made)


DOCUMENTS = {
    "a.docx": (word, pb.CONTENT_TYPE_DOCX),
    "a.pptx": (deck, pb.CONTENT_TYPE_PPTX),
    "a.xlsx": (book, pb.CONTENT_TYPE_XLSX),
    "a.csv": (lambda: b"Vessel;Mooring fee\nKetch;nine marks\nSloop;7 marks\n", pb.CONTENT_TYPE_CSV),
    "a.json": (lambda: b'[{"vessel":"ketch","mooring fee":"nine marks"}]', pb.CONTENT_TYPE_JSON),
    "a.py": (
        lambda: b'def mooring_fee():\n    """The fee of a ketch."""\n    return "nine marks"\n',
        pb.CONTENT_TYPE_TEXT,
    ),
    "Dockerfile": (lambda: b"# mooring fee of a ketch\nENV FEE='nine marks'\n", pb.CONTENT_TYPE_TEXT),
    "a.yaml": (lambda: b"ketch:\n  mooring fee: nine marks\n", pb.CONTENT_TYPE_TEXT),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_document_is_stored_by_its_name_and_found_by_its_words(client, name):
    make, kind = DOCUMENTS[name]
    content = make()
    await client.create()
    await client.ingest("Bread is flour, water, salt and time.", "bread")
    stored = await client.ingest(content, name, source_uri=name)
    assert stored.document.content_type == kind
    hit = (await client.search("ketch fee")).hits[0]
    assert hit.document_id == name
    assert "nine marks" in hit.text
    assert (await client.ingest(content, name, source_uri=name)).outcome == pb.IngestResponse.OUTCOME_UNCHANGED


async def test_what_a_caller_declares_holds_and_a_protected_document_is_told_what_to_do(client):
    await client.create()
    stored = await client.ingest(b"Vessel,Fee\nKetch,9\n", "fees", content_type=pb.CONTENT_TYPE_CSV)
    assert stored.document.title == ""
    assert (await client.search("ketch fee")).hits[0].text == "Vessel | Fee\nVessel: Ketch; Fee: 9"
    protected = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(WeftError, match="is protected by a password, not a Word document; save a copy without it"):
        await client.ingest(protected, "secret.docx", source_uri="secret.docx")
