"""Which files are sent, how they get there, and what becomes of the rest when one is bad."""

import io
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.command_line import weft

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_cli.document_files import find_files
from weft_cli.file_ingest import ingest_files
from weft_client import WeftClient
from weft_kit.document_names import PLAIN_SUFFIXES, SUFFIXES
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    Draining,
    NotFound,
    WeftError,
)
from weft_kit.rpc.server import Server, Service
from weft_retrieval.formats import ContentType, detect


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
    found = find_files([tmp_path])
    assert [file.document_id for file in found.files] == ["a.md", "d.txt", "deep/b.PDF", "deep/c.html"]
    assert list(found.skipped) == ["e.png", "f"]


def test_every_kind_that_the_service_reads_is_found_in_folders(tmp_path):
    names = {f"a{suffix}" for suffix in (*SUFFIXES, *PLAIN_SUFFIXES)} | {"Dockerfile", "Makefile"}
    for name in names:
        (tmp_path / name).write_text(name)
    assert {file.document_id for file in find_files([tmp_path]).files} == names
    assert {detect(f"a{suffix}", b"") for suffix in SUFFIXES} == set(ContentType)
    assert {detect(name, b"# x") for name in ("a.py", "src/Dockerfile", "b/Makefile", "a.xml")} == {ContentType.TEXT}


def test_code_and_settings_in_hidden_folders_are_no_documents(tmp_path):
    """An environment holds thousands of files of code, and `.env` holds secrets; documents are found all the same."""
    for name in (".venv/lib/a.py", ".config/b.toml", ".env", ".notes/c.md", ".notes/d.docx"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    found = find_files([tmp_path])
    assert [file.document_id for file in found.files] == [".notes/c.md", ".notes/d.docx"]
    assert not found.skipped


def test_hidden_files_and_links_to_nowhere_are_no_documents(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index").write_bytes(b"\0")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    found = find_files([tmp_path])
    assert (found.files, found.skipped) == ([], {"gone.md": "there is no file behind it"})


def test_empty_files_of_a_folder_are_no_failures(tmp_path):
    """Packages of Python hold an empty `__init__.py` in each folder. One that is named itself is sent, and refused."""
    (tmp_path / "__init__.py").touch()
    found = find_files([tmp_path])
    assert (found.files, found.skipped) == ([], {"__init__.py": "there is nothing in it"})
    assert len(find_files([tmp_path / "__init__.py"]).files) == 1


def test_a_named_file_is_sent_once_whatever_it_is_called(tmp_path):
    (tmp_path / "notes").write_text("x")
    (tmp_path / "a.md").write_text("x")
    found = find_files([tmp_path / "notes", tmp_path / "a.md", tmp_path])
    assert [file.document_id for file in found.files] == ["notes", "a.md"]
    assert (found.refused, found.skipped) == ({}, {})


@pytest.mark.parametrize(
    ("name", "content", "is_read"),
    [
        ("table.csv", "Ünterwegs,1".encode() * 2000, True),
        ("scan", b"%PDF-1.7\xff\xfe\0", True),
        ("report", b"PK\x03\x04\x14\0\x06\0", True),
        ("notes", "\ufeffnotes".encode("utf-16-le"), True),
        ("report.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", True),  # refused by the service, with what to do
        ("photo", b"\x89PNG\r\n", False),
    ],
)
def test_a_named_file_is_sent_when_it_may_be_a_document_and_refused_otherwise(tmp_path, name, content, is_read):
    (tmp_path / name).write_bytes(content)
    found = find_files([tmp_path / name])
    assert [file.document_id for file in found.files] == ([name] if is_read else [])
    assert list(found.refused) == ([] if is_read else [name])


async def test_a_pipe_is_sent_with_all_that_comes_through_it(shelf, client):
    """As in `weft ingest <(pdftotext …)`: what comes out of a pipe can be read once."""
    read, write = os.pipe()
    os.write(write, b"from a pipe")
    os.close(write)
    try:
        files = find_files([Path(f"/dev/fd/{read}")])
        await ingest_files(client, "handbook", files, Console(file=io.StringIO()))
    finally:
        os.close(read)
    assert list(shelf.staged.values()) == [b"from a pipe"]


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


async def test_what_a_folder_holds_besides_is_named_and_no_failure(tmp_path, shelf, endpoint):
    (tmp_path / "good.md").write_text("good")
    for number in range(12):
        (tmp_path / f"report-{number:02}.doc").write_bytes(b"\xd0\xcf")
    ingest = ("--endpoint", endpoint, "--key", "k", "ingest", str(tmp_path), "-c", "handbook")
    code, out, _ = await weft(*ingest)
    assert code == 0
    assert "12 files skipped: report-00.doc, " in out
    assert "report-09.doc and 2 more; text, Markdown, HTML, PDF, Word (.docx), " in out
    assert "are read, by their usual names; save other documents as one of these\n" in out
    code, out, err = await weft(*ingest, "--json")
    assert (code, len(json.loads(out)["skipped"])) == (0, 12)
    assert "12 files skipped" in err


async def test_a_folder_without_any_document_is_a_failure(tmp_path):
    (tmp_path / "report.doc").write_bytes(b"\xd0\xcf")
    code, _, err = await weft("--key", "k", "ingest", str(tmp_path), "-c", "handbook")
    assert (code, err.count("\n")) == (1, 1)
    assert "1 file skipped: report.doc; text, Markdown, HTML, PDF, Word (.docx), PowerPoint" in err


async def test_a_file_that_cannot_be_read_and_was_named_is_a_failure(tmp_path, shelf, endpoint):
    (tmp_path / "good.md").write_text("good")
    (tmp_path / "report.doc").write_bytes(b"\xd0\xcf\0")
    at, into = ("--endpoint", endpoint, "--key", "k"), ("-c", "handbook")
    code, out, err = await weft(*at, "ingest", str(tmp_path / "report.doc"), *into)
    assert (code, out, shelf.collections) == (1, "", set())
    assert "report.doc: it is none of what can be read: text, Markdown, HTML, PDF, Word (.docx), " in err
    code, out, _ = await weft(*at, "ingest", str(tmp_path / "report.doc"), str(tmp_path / "good.md"), *into)
    assert code == 1
    assert "✗ report.doc: it is none of what can be read" in out
    assert list(shelf.staged) == ["good.md"]
