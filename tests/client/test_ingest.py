"""Which files are sent, how they get there, and what becomes of the rest when one is bad."""

import io
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from rich.console import Console
from tests.client.command_line import weft

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_client import WeftClient
from weft_client.ingest import find_files, ingest_files
from weft_kit.errors import DeadlineExceeded, Draining, NotFound, WeftError
from weft_kit.server import Server, Service


class Shelf(rpc.RetrievalServiceServicer):
    """Has no collection until one is made, and cannot read what begins with "bad". Breaks off as often as told."""

    def __init__(self) -> None:
        self.collections: set[str] = set()
        self.calls: list[int] = []
        """Documents in each call that brought some."""
        self.staged: dict[str, bytes] = {}
        self.breaks: list[WeftError] = []
        self.positions: list[int] = []

    async def GetCollection(self, request: pb.GetCollectionRequest, _: object) -> pb.GetCollectionResponse:
        if request.name not in self.collections:
            raise NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, "no such collection; create it")
        return pb.GetCollectionResponse(collection=pb.Collection(name=request.name))

    async def CreateCollection(self, request: pb.CreateCollectionRequest, _: object) -> pb.CreateCollectionResponse:
        self.collections.add(request.name)
        return pb.CreateCollectionResponse(collection=pb.Collection(name=request.name))

    async def StageDocuments(self, request: pb.StageDocumentsRequest, _: object) -> pb.StageDocumentsResponse:
        self.calls.append(len(request.documents))
        self.staged |= {document.document_id: document.content for document in request.documents}
        return pb.StageDocumentsResponse(documents=len(self.staged))

    async def IngestDocuments(self, request: pb.IngestDocumentsRequest, _: object) -> pb.IngestDocumentsResponse:
        return pb.IngestDocumentsResponse(job=pb.IngestJob(job_id="j", collection=request.collection))

    async def GetIngestJob(self, request: pb.GetIngestJobRequest, _: object) -> pb.GetIngestJobResponse:
        job = pb.IngestJob(job_id="j", state=job_pb2.JOB_STATE_SUCCEEDED, progress=self._progress(len(self.staged)))
        job.end_time.GetCurrentTime()
        return pb.GetIngestJobResponse(job=job)

    async def WatchIngestJob(
        self, request: pb.WatchIngestJobRequest, _: object
    ) -> AsyncIterator[pb.WatchIngestJobResponse]:
        self.positions.append(request.after_sequence)
        count = len(self.staged)
        events = [event_pb2.JobEvent(sequence=1 + place, progress=self._progress(place)) for place in range(count)]
        result = ingest_pb2.IngestResult(progress=self._progress(count))
        end = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, ingest=result)
        for event in [*events, event_pb2.JobEvent(sequence=count + 1, done=end)]:
            if event.sequence > request.after_sequence:
                yield pb.WatchIngestJobResponse(event=event)
                if self.breaks:
                    raise self.breaks.pop()

    def _progress(self, done: int) -> ingest_pb2.IngestProgress:
        bad = [name for name, content in list(self.staged.items())[:done] if content.startswith(b"bad")]
        error = job_pb2.JobError(reason=error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT, message="not a PDF; send one")
        return ingest_pb2.IngestProgress(
            documents=len(self.staged),
            created=done - len(bad),
            failed=len(bad),
            chunks=2 * (done - len(bad)),
            failures=[ingest_pb2.FailedDocument(document_id=name, error=error) for name in bad],
        )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def endpoint(shelf: Shelf) -> AsyncIterator[str]:
    service = Service("weft.retrieval.v1.RetrievalService", rpc.add_RetrievalServiceServicer_to_server, shelf)
    async with Server("127.0.0.1:0", [service], grace_s=0) as server:
        yield server.address


@pytest.fixture
async def client(endpoint: str) -> AsyncIterator[WeftClient]:
    async with WeftClient(endpoint, "key") as client:
        yield client


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


async def test_one_bad_file_does_not_stop_the_rest(tmp_path, shelf, client):
    (tmp_path / "good.md").write_text("good")
    (tmp_path / "broken.pdf").write_text("bad")
    said = io.StringIO()
    files = find_files([tmp_path, tmp_path / "missing.md"])
    summary = await ingest_files(client, "handbook", files, Console(file=said, width=200))
    assert shelf.collections == {"handbook"}
    assert shelf.staged == {"good.md": b"good", "broken.pdf": b"bad"}
    assert summary.outcomes == Counter(created=1)
    assert summary.failed == {
        "broken.pdf": "UNREADABLE_DOCUMENT: not a PDF; send one",
        "missing.md": "No such file or directory",
    }
    assert said.getvalue().count("✗ broken.pdf: UNREADABLE_DOCUMENT") == 1


async def test_nothing_to_send_makes_no_collection(tmp_path, shelf, client):
    summary = await ingest_files(client, "handbook", find_files([tmp_path / "missing.md"]), Console(file=io.StringIO()))
    assert summary.failed == {"missing.md": "No such file or directory"}
    assert not shelf.collections


async def test_a_file_too_large_to_be_read_is_not_sent(tmp_path, shelf, client):
    with (tmp_path / "huge.txt").open("wb") as huge:
        huge.truncate(32 * 1024 * 1024 + 1)
    (tmp_path / "small.txt").write_text("small")
    summary = await ingest_files(client, "handbook", find_files([tmp_path]), Console(file=io.StringIO()))
    assert list(shelf.staged) == ["small.txt"]
    assert "at most 33554432 are read" in summary.failed["huge.txt"]


async def test_any_number_of_documents_is_sent_in_calls_that_carry_them(shelf, client):
    documents = [pb.Document(document_id=f"d{number}", content=b"x") for number in range(1001)]
    documents += [pb.Document(document_id=f"large{number}", content=bytes(5_000_000)) for number in range(3)]
    job = await client.ingests.begin("handbook", documents)
    assert job.job_id == "j"
    assert shelf.calls == [500, 500, 2, 1, 1]


@pytest.mark.parametrize("failure", [Draining(), DeadlineExceeded("too long for one call")])
async def test_watching_goes_on_where_it_was_cut_off(shelf, client, failure):
    await client.ingests.begin("handbook", [pb.Document(document_id=name, content=b"x") for name in "abc"])
    shelf.breaks = [failure, failure]
    sequences = [event.sequence async for event in client.ingests.watch("j")]
    assert sequences == [1, 2, 3, 4]
    assert shelf.positions == [0, 1, 2]


async def test_the_command_says_what_became_of_the_files(tmp_path, shelf, endpoint):
    (tmp_path / "good.md").write_text("good")
    (tmp_path / "broken.pdf").write_text("bad")
    at = ("--endpoint", endpoint, "--key", "k")
    code, out, _ = await weft(*at, "ingest", str(tmp_path), "--collection", "handbook")
    assert code == 1
    assert "✗ broken.pdf: UNREADABLE_DOCUMENT: not a PDF; send one" in out
    assert "handbook: 1 created, 1 failed; 2 chunks" in out
    code, out, _ = await weft(*at, "ingest", str(tmp_path), "--collection", "handbook", "--json")
    assert json.loads(out)["job_id"] == "j"
    code, out, _ = await weft(*at, "ingests", "watch", "j")
    assert code == 1
    assert "2 of 2: 1 created, 1 failed" in out


async def test_a_detached_ingest_prints_its_id_alone(tmp_path, shelf, endpoint):
    (tmp_path / "good.md").write_text("good")
    at = ("--endpoint", endpoint, "--key", "k")
    code, out, _ = await weft(*at, "ingest", str(tmp_path), "--collection", "handbook", "--detach")
    assert (code, out) == (0, "j\n")
    assert not shelf.positions


async def test_a_path_that_is_not_there_makes_no_collection(tmp_path, shelf, endpoint):
    at = ("--endpoint", endpoint, "--key", "k")
    code, _, err = await weft(*at, "ingest", str(tmp_path / "missing"), "--collection", "handbook")
    assert code == 2
    assert "does not exist" in err
    assert not shelf.collections
