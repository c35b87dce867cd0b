"""`weft collections` and `weft documents`: what people read, what is asked first, and the exit codes."""

import json
from collections.abc import AsyncIterator

import pytest
from google.protobuf.json_format import MessageToDict
from tests.support.command_line import weft

from weft.common.v1 import error_pb2, filter_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_client import WeftClient
from weft_kit.rpc.errors import FailedPrecondition, NotFound
from weft_kit.rpc.server import Server, Service


class Library(rpc.RetrievalServiceServicer):
    """Holds collections of documents; gives two a page."""

    def __init__(self) -> None:
        self.shelves = {"handbook": ["a.md", "b.md", "c.md"], "notes": [], "old": []}
        self.busy = ""
        self.searches: list[pb.SearchRequest] = []

    async def GetCollection(self, request, _):
        return pb.GetCollectionResponse(collection=self._collection(request.name))

    async def ListCollections(self, request, _):
        names, further = self._page(sorted(self.shelves), request.page_token)
        return pb.ListCollectionsResponse(collections=map(self._collection, names), next_page_token=further)

    async def UpdateCollection(self, request, _):
        counts = [
            pb.LanguageCount(language="english", chunk_count=1200),
            pb.LanguageCount(language="german", chunk_count=3),
        ]
        collection = pb.Collection(languages=counts, analysing=True, language=request.language)
        collection.MergeFrom(self._collection(request.name))
        return pb.UpdateCollectionResponse(collection=collection)

    async def DeleteCollection(self, request, _):
        if self.busy:
            message = f"job {self.busy} still stores into it; wait for it"
            raise FailedPrecondition(error_pb2.ERROR_REASON_COLLECTION_BUSY, message)
        self._collection(request.name)
        return pb.DeleteCollectionResponse(deleted_documents=len(self.shelves.pop(request.name)))

    async def ListDocuments(self, request, _):
        self._collection(request.collection)
        names, further = self._page(self.shelves[request.collection], request.page_token)
        documents = [
            pb.Document(document_id=name, title=f"The {name}", chunk_count=7, language="german") for name in names
        ]
        return pb.ListDocumentsResponse(documents=documents, next_page_token=further)

    async def DeleteDocument(self, request, _):
        if request.document_id not in self.shelves[request.collection]:
            raise NotFound(error_pb2.ERROR_REASON_DOCUMENT_NOT_FOUND, f"there is no document {request.document_id}")
        self.shelves[request.collection].remove(request.document_id)
        return pb.DeleteDocumentResponse(collection_version=9)

    async def Search(self, request, _):
        self.searches.append(request)
        return pb.SearchResponse(hits=[pb.Hit(title="The light", source_uri="a.md", text="The keeper.")])

    def _collection(self, name: str) -> pb.Collection:
        if name not in self.shelves:
            raise NotFound(error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND, f"there is no collection {name}")
        return pb.Collection(name=name, document_count=len(self.shelves[name]), version=5)

    @staticmethod
    def _page(names: list[str], token: str) -> tuple[list[str], str]:
        at = int(token or 0)
        return names[at : at + 2], str(at + 2) if at + 2 < len(names) else ""


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
async def at(library) -> AsyncIterator[tuple[str, ...]]:
    service = Service("weft.retrieval.v1.RetrievalService", rpc.add_RetrievalServiceServicer_to_server, library)
    async with Server("127.0.0.1:0", [service], grace_s=0) as server:
        yield ("--endpoint", server.address, "--key", "k")


async def test_a_collections_language_is_set_and_shown(at):
    code, out, err = await weft("collections", "language", "handbook", "german", *at)
    assert (code, err) == (0, "")
    facts = [" ".join(line.split()) for line in out.splitlines()]
    assert "language german" in facts
    assert "chunks in english 1,200, german 3 (being analysed again)" in facts


async def test_documents_show_their_language(at):
    _, out, _ = await weft("documents", "handbook", *at)
    assert all("german" in line.split() for line in out.splitlines()[1:])


@pytest.mark.parametrize(("words", "feedback"), [((), None), (("--feedback",), True), (("--no-feedback",), False)])
async def test_a_search_may_ask_twice(at, library, words, feedback):
    code, out, _ = await weft("search", "the keeper", "-c", "handbook", *words, *at)
    assert (code, "The keeper." in out) == (0, True)
    (asked,) = library.searches
    assert (asked.feedback if asked.HasField("feedback") else None) is feedback


async def test_a_search_may_be_filtered(at, library, tmp_path):
    condition = filter_pb2.Condition(field="language", operator=filter_pb2.Condition.OPERATOR_EQUAL)
    condition.values.add(text="german")
    written = json.dumps(MessageToDict(filter_pb2.Filter(condition=condition)))
    (tmp_path / "filter.json").write_text(written)
    for given in (written, f"@{tmp_path / 'filter.json'}"):
        assert (await weft("search", "the keeper", "-c", "handbook", "--filter", given, *at))[0] == 0
        assert library.searches.pop().filter.condition == condition


@pytest.mark.parametrize("given", ["german", '{"language": "german"}'])
async def test_what_is_no_filter_is_told_with_one_that_is(at, library, given):
    code, _, err = await weft("search", "the keeper", "-c", "handbook", "--filter", given, *at)
    assert (code, library.searches) == (2, [])
    assert '"field": "language", "operator": "OPERATOR_EQUAL"' in err


async def test_collections_and_documents_are_listed_over_all_pages(at):
    code, out, err = await weft("collections", *at)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["handbook", "3"], ["notes", "0"], ["old", "0"]]
    code, out, err = await weft("documents", "handbook", *at)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["a.md", "b.md", "c.md"]
    _, document, _ = await weft("documents", "list", "handbook", "--json", *at)
    assert [one["document_id"] for one in json.loads(document)] == ["a.md", "b.md", "c.md"]


async def test_a_list_that_was_cut_off_says_so(at):
    _, out, err = await weft("documents", "handbook", "--limit", "2", *at)
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["a.md", "b.md"]
    assert err == "there are more: --limit 4 shows them\n"


async def test_a_collection_is_shown_or_said_to_be_missing(at):
    code, out, _ = await weft("collections", "show", "handbook", *at)
    assert code == 0
    assert ["documents", "3"] in [line.split() for line in out.splitlines()]
    code, _, err = await weft("collections", "show", "lost", *at)
    assert (code, err.count("\n")) == (1, 1)
    assert "there is no collection lost; `weft collections` lists them" in err


async def test_a_collection_is_deleted_only_when_that_is_sure(at, library):
    code, _, err = await weft("collections", "delete", "handbook", *at)
    assert (code, "handbook" in library.shelves) == (1, True)
    assert "delete handbook with its 3 documents: say --yes, there is nobody to ask here" in err
    assert await weft("collections", "delete", "handbook", "--yes", *at) == (
        0,
        "handbook is deleted, with its 3 documents\n",
        "",
    )
    assert "handbook" not in library.shelves


async def test_a_collection_in_use_says_what_uses_it(at, library):
    library.busy = "n-1"
    code, _, err = await weft("collections", "delete", "notes", "--yes", *at)
    assert code == 1
    assert "COLLECTION_BUSY: job n-1 still stores into it; wait for it; `weft ingests watch JOB`" in err


async def test_documents_are_deleted_by_id_and_missing_ones_are_named(at, library):
    code, out, err = await weft("documents", "delete", "handbook", "a.md", "x.md", "c.md", *at)
    assert (code, out) == (1, "2 documents deleted from handbook\n")
    assert "there is no document x.md; `weft documents COLLECTION` lists those there are" in err
    assert library.shelves["handbook"] == ["b.md"]
    assert await weft("documents", "delete", "handbook", "b.md", *at) == (0, "1 document deleted from handbook\n", "")


async def test_python_lists_and_deletes_them_too(at, library):
    async with WeftClient(at[1], "k") as client:
        assert [one.name for one in await client.documents.collections(2)] == ["handbook", "notes"]
        assert [one.document_id for one in await client.documents.documents("handbook")] == ["a.md", "b.md", "c.md"]
        assert await client.documents.delete("handbook", "a.md") == 9
        assert await client.documents.delete_collection("handbook") == 2
    assert "handbook" not in library.shelves
