"""What is called: every RPC of every service, where it answers, and good requests for each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from weft.cache.v1 import cache_pb2
from weft.common.v1 import catalog_pb2, chat_pb2, filter_pb2
from weft.gateway.v1 import gateway_pb2, tenant_pb2, webhook_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import flight_pb2, router_pb2
from weft_client.requests import chat

_FILES: Final[tuple[FileDescriptor, ...]] = (
    gateway_pb2.DESCRIPTOR,
    webhook_pb2.DESCRIPTOR,
    tenant_pb2.DESCRIPTOR,
    catalog_pb2.DESCRIPTOR,
    retrieval_pb2.DESCRIPTOR,
    router_pb2.DESCRIPTOR,
    cache_pb2.DESCRIPTOR,
    inference_pb2.DESCRIPTOR,
    flight_pb2.DESCRIPTOR,
)
# What no client reaches is asked at its own port, as a neighbour in the mesh would.
_INSIDE: Final = {"InferenceService": "inference", "FlightService": "router", "CacheService": "cache"}
_OF_OPERATORS: Final = frozenset({"KeyService", "TenantService", "CatalogService", "CheckProviders"})


@dataclass(frozen=True)
class World:
    """What exists in the mesh, for requests to name: nothing of it may be seen by another tenant."""

    collection: str
    document_id: str
    job_ids: tuple[str, ...]
    """More than one: some will be deleted."""
    ingest_job_id: str
    key_id: str
    """Not the key the calls carry: it will be revoked."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.collection, self.document_id, *self.job_ids[:4], self.ingest_job_id, self.key_id, "default")


@dataclass(frozen=True)
class Target:
    """One RPC at one place. `part` is the process that is asked."""

    method: MethodDescriptor
    part: str
    is_operators: bool
    real: list[Message] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"


def targets(world: World) -> list[Target]:
    """Returns every RPC of every service at the gateway, and those of inner services at their own ports, too."""
    real = _real(world)
    return [
        Target(method, part, _is_operators(method), real.get(method.input_type.full_name, []))
        for method in _methods()
        for part in dict.fromkeys(("gateway", _INSIDE.get(method.containing_service.name, "gateway")))
    ]


def _is_operators(method: MethodDescriptor) -> bool:
    return not _OF_OPERATORS.isdisjoint((method.containing_service.name, method.name))


def _methods() -> Iterator[MethodDescriptor]:
    for file in _FILES:
        for service in file.services_by_name.values():
            yield from service.methods


def _real(world: World) -> Mapping[str, list[Message]]:
    """Good requests, by the full name of their message."""
    found: dict[str, list[Message]] = {}
    for message in (*_of_jobs(world), *_of_documents(world), *_of_the_rest(world)):
        found.setdefault(message.DESCRIPTOR.full_name, []).append(message)
    return found


def _of_jobs(world: World) -> Iterator[Message]:
    for request in (_plain(), _full(world)):
        submit = gateway_pb2.SubmitJobRequest(request=request)
        yield submit
        yield gateway_pb2.SubmitJobsRequest(requests=[submit, submit])
        yield gateway_pb2.GenerateRequest(request=request)
    for job_id in world.job_ids:
        yield gateway_pb2.GetJobRequest(job_id=job_id)
        yield gateway_pb2.StreamJobRequest(job_id=job_id)
        yield gateway_pb2.CancelJobRequest(job_id=job_id, message="enough")
    yield gateway_pb2.ListJobsRequest(page_size=10, models=["default"], labels={"team": "search"})
    yield gateway_pb2.ListJobsRequest(page_size=1)


def _plain() -> job_pb2.GenerationRequest:
    return chat("Say hi.", max_tokens=4, timeout_s=30)


def _full(world: World) -> job_pb2.GenerationRequest:
    """A request with something in every field."""
    request = chat(
        "What is the fee?",
        system="Be brief.",
        collection=world.collection,
        max_tokens=4,
        temperature=0.5,
        stop=["\n\n"],
        json_schema={"type": "object", "properties": {"fee": {"type": "integer", "enum": [1, 2]}}},
        labels={"team": "search"},
        tags=["fees"],
        cache="semantic",
        priority="high",
        timeout_s=30,
        total_s=20,
        max_attempts=1,
    )
    tool = chat_pb2.Tool(name="find", description="Finds.", parameters_schema='{"type": "object"}')
    request.tools.append(tool)
    return request


def _of_documents(world: World) -> Iterator[Message]:
    metadata = Struct()
    metadata.update({"year": 1931, "of": {"deep": [1, "two", None, True]}})
    name = world.collection
    document = retrieval_pb2.Document(document_id="fees.md", content=b"# Fees\n\nNine marks.", metadata=metadata)
    yield retrieval_pb2.CreateCollectionRequest(name=name)
    yield retrieval_pb2.GetCollectionRequest(name=name)
    yield retrieval_pb2.UpdateCollectionRequest(name=name, language="german")
    yield retrieval_pb2.IngestRequest(collection=name, document=document)
    yield retrieval_pb2.StageDocumentsRequest(upload_id="one", collection=name, documents=[document])
    yield retrieval_pb2.IngestDocumentsRequest(request_id="one", collection=name, documents=[document])
    yield retrieval_pb2.GetIngestJobRequest(job_id=world.ingest_job_id)
    yield retrieval_pb2.WatchIngestJobRequest(job_id=world.ingest_job_id)
    yield retrieval_pb2.CancelIngestJobRequest(job_id=world.ingest_job_id)
    yield retrieval_pb2.ListDocumentsRequest(collection=name, page_size=10)
    search = retrieval_pb2.SearchRequest(collection=name, query="mooring fee", top_k=5)
    search.filter.condition.field = "metadata.year"
    search.filter.condition.operator = filter_pb2.Condition.OPERATOR_EQUAL
    search.filter.condition.values.add(number=1931)
    yield search


def _of_the_rest(world: World) -> Iterator[Message]:
    yield gateway_pb2.CreateKeyRequest(tenant="fuzzed", name="one", calls_per_minute=10)
    yield gateway_pb2.RevokeKeyRequest(key_id=world.key_id)
    yield gateway_pb2.ListKeysRequest(tenant="fuzzed", page_size=10)
    yield webhook_pb2.ListDeliveriesRequest(job_id=world.job_ids[0])
    yield webhook_pb2.RedeliverWebhookRequest(job_id=world.job_ids[0])
    yield tenant_pb2.DeleteTenantRequest(tenant="nobody")
    yield flight_pb2.FollowFlightRequest(flight="nobody")
    yield cache_pb2.LookupRequest(request=_plain())
    yield cache_pb2.StoreRequest(request=_plain(), answer=job_pb2.Answer(text="hi"), job_id="n4")
    yield cache_pb2.InvalidateRequest(tag="fees")
    yield inference_pb2.EmbedRequest(texts=["one", "two"])
    yield inference_pb2.RerankRequest(query="one", documents=["two", "three"], top_k=1)
    yield inference_pb2.CompareQuestionsRequest(question="one", others=["two"])
    generate = inference_pb2.GenerateRequest(messages=_plain().messages)
    generate.sampling.max_tokens = 4
    yield generate
