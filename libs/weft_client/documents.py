"""A tenant's collections and their documents: created if missing, filled, searched, listed, deleted."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter

from weft.common.v1 import error_pb2, filter_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_client.connection import Connection
from weft_client.pages import first
from weft_kit.rpc.errors import WeftError

# A long PDF is split and embedded within the call.
_INGEST_S = 590.0
# Deleting a collection, and changing its language, touch all its documents.
_WHOLE_COLLECTION_S = 120.0


class Documents:
    """RetrievalService behind the gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = rpc.RetrievalServiceStub(connection.raw)

    async def ensure_collection(self, name: str) -> pb.Collection:
        """Returns the collection, created with the default settings if it does not exist."""
        try:
            return await self.collection(name)
        except WeftError as error:
            if error.reason != error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND:
                raise
        wanted = pb.CreateCollectionRequest(name=name)
        return (await self._connection.ask(self._stub.CreateCollection, wanted)).collection

    async def collection(self, name: str) -> pb.Collection:
        """Returns a collection. Raises WeftError if it does not exist."""
        return (await self._connection.ask(self._stub.GetCollection, pb.GetCollectionRequest(name=name))).collection

    async def collections(self, limit: int = 1000) -> list[pb.Collection]:
        """Returns the tenant's collections, sorted by name."""
        ask = partial(self._connection.ask, self._stub.ListCollections)
        return await first(limit, ask, pb.ListCollectionsRequest(), attrgetter("collections"))

    async def set_language(self, name: str, language: str) -> pb.Collection:
        """Changes the stemming language of a collection; stored documents follow in the background."""
        asked = pb.UpdateCollectionRequest(name=name, language=language)
        return (await self._connection.ask(self._stub.UpdateCollection, asked, _WHOLE_COLLECTION_S)).collection

    async def delete_collection(self, name: str) -> int:
        """Deletes a collection with everything in it; returns the number of documents."""
        asked = pb.DeleteCollectionRequest(name=name)
        return (await self._connection.ask(self._stub.DeleteCollection, asked, _WHOLE_COLLECTION_S)).deleted_documents

    async def documents(self, collection: str, limit: int = 1000) -> list[pb.Document]:
        """Returns a collection's documents, sorted by id and without their content."""
        ask = partial(self._connection.ask, self._stub.ListDocuments)
        return await first(limit, ask, pb.ListDocumentsRequest(collection=collection), attrgetter("documents"))

    async def delete(self, collection: str, document_id: str) -> int:
        """Deletes a document; returns the collection's new version."""
        asked = pb.DeleteDocumentRequest(collection=collection, document_id=document_id)
        return (await self._connection.ask(self._stub.DeleteDocument, asked)).collection_version

    async def ingest(
        self, collection: str, document_id: str, content: bytes, *, language: str = ""
    ) -> pb.IngestResponse:
        """Stores a document; new content under the same `document_id` replaces the old.

        Its words are stemmed in `language`, by default the collection's, which may be each document's own.
        """
        document = pb.Document(document_id=document_id, source_uri=document_id, content=content, language=language)
        asked = pb.IngestRequest(collection=collection, document=document)
        return await self._connection.ask(self._stub.Ingest, asked, _INGEST_S)

    async def search(
        self,
        collection: str,
        query: str,
        top_k: int = 10,
        *,
        only: filter_pb2.Filter | None = None,
        feedback: bool | None = None,
    ) -> Sequence[pb.Hit]:
        """Returns the chunks that answer the query, best first.

        `only` selects the documents to search. `feedback` says whether both retrievers search a second time, with words
        of the best hits; None leaves that to the service.
        """
        asked = pb.SearchRequest(collection=collection, query=query, top_k=top_k, filter=only, feedback=feedback)
        return (await self._connection.ask(self._stub.Search, asked)).hits
