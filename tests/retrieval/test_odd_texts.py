"""Whatever a text field of a request holds, the answer is never that the service broke, and nothing half is stored."""

from uuid import uuid4

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from tests.support.descriptors import (
    TEXTS,
    holding,
    is_item,
    ways,
)

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.errors import WeftError
from weft_retrieval.ingest_jobs.log_connection import IngestLog
from weft_retrieval.metadata import MAX_FACTS

SERVICE = pb.DESCRIPTOR.services_by_name["RetrievalService"]
# Streams are opened in another way, and find their job as GetIngestJob does.
METHODS = [method for method in SERVICE.methods if not method.server_streaming]
RIGHT = {"collection": "docs", "name": "docs", "query": "a question", "upload_id": "an-upload", "job_id": "a-job"}
ALLOWED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "UNAVAILABLE", "RESOURCE_EXHAUSTED"}
ODD = ["", " ", "*", ">", ".", "../..", "%00", "é", "\u2028", "\ufffe", "😀", "'; --", "\\u0000", "x" * 20_000]


@pytest.fixture
async def client(running, postgres_url, nats_url):
    name = uuid4().hex[:8]
    log = IngestLog(stream=f"I_{name}", prefix=f"i_{name}", live_prefix=f"il_{name}", max_bytes=64 * 1024**2)
    async with running(postgres_url, nats_url=nats_url, log=log) as client_of:
        yield client_of("acme")


async def outcome(client, method: MethodDescriptor, way, text: str) -> str:
    """Calls a method with one odd text, and all else right; returns the status."""
    request, _ = holding(method.input_type, way, text)
    for name, right in RIGHT.items():
        if name in method.input_type.fields_by_name and name != way[0].name:
            setattr(request, name, right)
    try:
        await client._call(method.name, request)
    except WeftError as error:
        return error.status.name
    return "OK"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_nul_is_an_invalid_argument_in_every_text_of_every_call(client, method):
    await client.create()
    for way in ways(method.input_type, TEXTS):
        if not any(map(is_item, way)):
            assert (way, await outcome(client, method, way, "a\0b")) == (way, "INVALID_ARGUMENT")
    assert (await client.get()).version == 0


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_no_text_of_any_call_breaks_the_service(client, method):
    await client.create()
    for way in ways(method.input_type, TEXTS):
        for text in ("a\0b", *ODD):
            found = await outcome(client, method, way, text)
            place = f"{'.'.join(field.name for field in way)} = {text[:20]!r}: {found}"
            assert found in ALLOWED, place


async def test_a_document_in_a_batch_is_refused_for_itself(client):
    await client.create()
    documents = [
        pb.Document(document_id="good", content=b"words"),
        pb.Document(document_id="bad title", title="a\0b", content=b"words"),
        pb.Document(document_id="bad value", content=b"words", metadata=Struct(fields={"k": Value(string_value="\0")})),
    ]
    staged = pb.StageDocumentsRequest(upload_id="u", collection="docs", documents=documents)
    assert (await client._call("StageDocuments", staged)).documents == 3
    staged.documents.add(document_id="a\0b", content=b"words")
    with pytest.raises(WeftError) as caught:
        await client._call("StageDocuments", staged)
    assert caught.value.violations == {"documents[3].document_id": "must not contain NUL (U+0000)"}


@pytest.mark.parametrize(
    "metadata",
    [
        Struct(fields={"k": Value(list_value=ListValue(values=[Value(bool_value=True)] * (MAX_FACTS + 1)))}),
        Struct(fields={str(n): Value(list_value=ListValue()) for n in range(MAX_FACTS + 1)}),
        Struct(fields={str(n): Value(number_value=n) for n in range(MAX_FACTS + 1)}),
    ],
)
async def test_more_metadata_than_is_kept_is_refused(client, metadata):
    await client.create()
    document = pb.Document(content=b"words", metadata=metadata)
    with pytest.raises(WeftError) as caught:
        await client._call("Ingest", pb.IngestRequest(collection="docs", document=document))
    assert caught.value.violations.keys() == {"document.metadata"}
