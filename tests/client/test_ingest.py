"""Which files are sent, and what becomes of the rest when one is bad."""

import io
from collections import Counter

from rich.console import Console

from weft.common.v1 import error_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_client import WeftClient
from weft_client.ingest import find_files, ingest_files
from weft_kit.errors import Invalid, NotFound
from weft_kit.server import Server, Service


class Shelf(rpc.RetrievalServiceServicer):
    """Has no collection until one is made, and cannot read what begins with "bad"."""

    def __init__(self) -> None:
        self.collections: set[str] = set()
        self.documents: dict[str, bytes] = {}

    async def GetCollection(self, request: pb.GetCollectionRequest, _: object) -> pb.GetCollectionResponse:
        if request.name not in self.collections:
            raise NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, "no such collection; create it")
        return pb.GetCollectionResponse(collection=pb.Collection(name=request.name))

    async def CreateCollection(self, request: pb.CreateCollectionRequest, _: object) -> pb.CreateCollectionResponse:
        self.collections.add(request.name)
        return pb.CreateCollectionResponse(collection=pb.Collection(name=request.name))

    async def Ingest(self, request: pb.IngestRequest, _: object) -> pb.IngestResponse:
        if request.document.content.startswith(b"bad"):
            raise Invalid(error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT, "not a PDF; send one")
        self.documents[request.document.document_id] = request.document.content
        return pb.IngestResponse(document=pb.Document(chunk_count=2), outcome=pb.IngestResponse.OUTCOME_CREATED)


def test_folders_give_their_documents_and_nothing_else(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.md", "deep/b.PDF", "deep/c.html", "d.txt", "e.png", "f"):
        (tmp_path / name).write_text(name)
    assert [file.document_id for file in find_files([tmp_path])] == ["a.md", "d.txt", "deep/b.PDF", "deep/c.html"]


def test_a_named_file_is_sent_once_whatever_it_is_called(tmp_path):
    (tmp_path / "notes").write_text("x")
    (tmp_path / "a.md").write_text("x")
    assert [file.document_id for file in find_files([tmp_path / "notes", tmp_path / "a.md", tmp_path])] == [
        "notes",
        "a.md",
    ]


async def test_one_bad_file_does_not_stop_the_rest(tmp_path):
    (tmp_path / "good.md").write_text("good")
    (tmp_path / "broken.pdf").write_text("bad")
    shelf, said = Shelf(), io.StringIO()
    service = Service("weft.retrieval.v1.RetrievalService", rpc.add_RetrievalServiceServicer_to_server, shelf)
    async with Server("127.0.0.1:0", [service]) as server, WeftClient(server.address, "key") as weft:
        files = find_files([tmp_path, tmp_path / "missing.md"])
        summary = await ingest_files(weft.documents, "handbook", files, Console(file=said, width=200))
    assert shelf.collections == {"handbook"}
    assert shelf.documents == {"good.md": b"good"}
    assert summary.outcomes == Counter(created=1)
    assert summary.failed == {
        "broken.pdf": "UNREADABLE_DOCUMENT: not a PDF; send one",
        "missing.md": "No such file or directory",
    }
    assert "✗ broken.pdf: UNREADABLE_DOCUMENT" in said.getvalue()
