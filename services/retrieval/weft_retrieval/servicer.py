"""RetrievalService's RPCs."""

from collections.abc import AsyncIterator

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft.retrieval.v1 import retrieval_pb2_grpc as rpc
from weft_kit.rpc.call import Rpc
from weft_kit.rpc.context import current, current_tenant
from weft_kit.rpc.interceptor import send_header
from weft_kit.rpc.time import seconds_of
from weft_kit.stores.page_tokens import PageTokens, page_size
from weft_retrieval import ingest_wire, wire
from weft_retrieval.deletion import CollectionDeletion
from weft_retrieval.ingest.ingest import Ingestor
from weft_retrieval.ingest_jobs.jobs import IngestJobStore
from weft_retrieval.search.search import Searcher
from weft_retrieval.storage.collections import Collections
from weft_retrieval.storage.documents import DocumentStore


class RetrievalServicer(rpc.RetrievalServiceServicer):
    def __init__(
        self,
        catalog: Collections,
        documents: DocumentStore,
        deletion: CollectionDeletion,
        ingestor: Ingestor,
        ingest_jobs: IngestJobStore,
        searcher: Searcher,
        tokens: PageTokens,
        default_language: str,
    ) -> None:
        self._catalog = catalog
        self._documents = documents
        self._deletion = deletion
        self._ingestor = ingestor
        self._ingest_jobs = ingest_jobs
        self._searcher = searcher
        self._tokens = tokens
        self._default_language = default_language

    async def CreateCollection(self, request: pb.CreateCollectionRequest, _: object) -> pb.CreateCollectionResponse:
        name = wire.collection_name(request.name, "name")
        chunking = wire.chunking(request.chunking)
        language = wire.language(request.language) if request.language else ""
        collection = await self._catalog.create(current_tenant(), name, chunking, language, self._default_language)
        return pb.CreateCollectionResponse(collection=wire.collection_to_wire(collection))

    async def GetCollection(self, request: pb.GetCollectionRequest, _: object) -> pb.GetCollectionResponse:
        name = wire.collection_name(request.name, "name")
        collection = await self._catalog.collection(current_tenant(), name)
        return pb.GetCollectionResponse(collection=wire.collection_to_wire(collection))

    async def UpdateCollection(self, request: pb.UpdateCollectionRequest, _: object) -> pb.UpdateCollectionResponse:
        name, language = wire.collection_name(request.name, "name"), wire.language(request.language)
        collection = await self._catalog.update(current_tenant(), name, language)
        return pb.UpdateCollectionResponse(collection=wire.collection_to_wire(collection))

    async def ListCollections(self, request: pb.ListCollectionsRequest, _: object) -> pb.ListCollectionsResponse:
        tenant, size = current_tenant(), page_size(request.page_size)
        after = await self._tokens.read(request.page_token, "collections", tenant)
        found = await self._catalog.collections(tenant, after, size + 1)
        last = found[size - 1].name if len(found) > size else ""
        return pb.ListCollectionsResponse(
            collections=[wire.collection_to_wire(collection) for collection in found[:size]],
            next_page_token=await self._tokens.write(last, "collections", tenant),
        )

    async def DeleteCollection(self, request: pb.DeleteCollectionRequest, _: object) -> pb.DeleteCollectionResponse:
        name = wire.collection_name(request.name, "name")
        return pb.DeleteCollectionResponse(deleted_documents=await self._deletion.delete(current_tenant(), name))

    async def Ingest(self, request: pb.IngestRequest, _: object) -> pb.IngestResponse:
        name = wire.collection_name(request.collection, "collection")
        ingested = await self._ingestor.ingest(current_tenant(), name, wire.upload(request.document))
        return wire.ingested_to_wire(ingested)

    async def StageDocuments(self, request: pb.StageDocumentsRequest, _: object) -> pb.StageDocumentsResponse:
        name = wire.collection_name(request.collection, "collection")
        uploads = await wire.uploads(request.documents)
        batch = await self._ingest_jobs.stage(current_tenant(), name, request.upload_id, uploads)
        return pb.StageDocumentsResponse(documents=batch.documents, content_bytes=batch.content_bytes)

    async def IngestDocuments(self, request: pb.IngestDocumentsRequest, _: object) -> pb.IngestDocumentsResponse:
        current_tenant()
        job = await self._ingest_jobs.begin(current(), await ingest_wire.order(request))
        return pb.IngestDocumentsResponse(job=job)

    async def GetIngestJob(self, request: pb.GetIngestJobRequest, _: object) -> pb.GetIngestJobResponse:
        wait_s = seconds_of(request.wait)
        return pb.GetIngestJobResponse(job=await self._ingest_jobs.get(current_tenant(), request.job_id, wait_s))

    async def ListIngestJobs(self, request: pb.ListIngestJobsRequest, _: object) -> pb.ListIngestJobsResponse:
        tenant, size = current_tenant(), page_size(request.page_size)
        before = await self._tokens.read(request.page_token, "ingest jobs", tenant)
        jobs, further = await self._ingest_jobs.page(tenant, int(before or 0), size)
        token = await self._tokens.write(str(further or ""), "ingest jobs", tenant)
        return pb.ListIngestJobsResponse(jobs=jobs, next_page_token=token)

    async def WatchIngestJob(
        self, request: pb.WatchIngestJobRequest, call: Rpc
    ) -> AsyncIterator[pb.WatchIngestJobResponse]:
        watching = self._ingest_jobs.watch(current_tenant(), request.job_id, request.after_sequence)
        async with watching as events:
            await send_header(call)
            async for event in events:
                yield pb.WatchIngestJobResponse(event=event)

    async def CancelIngestJob(self, request: pb.CancelIngestJobRequest, _: object) -> pb.CancelIngestJobResponse:
        job = await self._ingest_jobs.cancel(current_tenant(), request.job_id, request.message)
        return pb.CancelIngestJobResponse(job=job)

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, _: object) -> pb.DeleteDocumentResponse:
        name = wire.collection_name(request.collection, "collection")
        document_id = wire.document_id(request.document_id)
        version = await self._documents.delete(current_tenant(), name, document_id)
        return pb.DeleteDocumentResponse(collection_version=version)

    async def ListDocuments(self, request: pb.ListDocumentsRequest, _: object) -> pb.ListDocumentsResponse:
        tenant, size = current_tenant(), page_size(request.page_size)
        name = wire.collection_name(request.collection, "collection")
        after = await self._tokens.read(request.page_token, "documents", tenant, name)
        found = await self._catalog.documents(tenant, name, after, size + 1)
        last = found[size - 1].document_id if len(found) > size else ""
        return pb.ListDocumentsResponse(
            documents=[wire.document_to_wire(document) for document in found[:size]],
            next_page_token=await self._tokens.write(last, "documents", tenant, name),
        )

    async def Search(self, request: pb.SearchRequest, _: object) -> pb.SearchResponse:
        name = wire.collection_name(request.collection, "collection")
        query, top_k = wire.query(request.query), wire.top_k(request.top_k)
        allowed, feedback = wire.allowed(request), wire.with_feedback(request)
        searching = self._searcher.search(current_tenant(), name, query, top_k, allowed, with_feedback=feedback)
        results = await searching
        hits = [wire.hit_to_wire(hit) for hit in results.hits]
        return pb.SearchResponse(hits=hits, collection_version=results.collection_version)
