"""The services behind, through the gateway."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_gateway.config import Config
from weft_gateway.forwarding import forwarded
from weft_gateway.server import gateway
from weft_kit.requests.limits import ORDINARY_BYTES
from weft_kit.rpc.call import Rpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import current, current_tenant
from weft_kit.rpc.errors import InvalidFields, Overloaded
from weft_kit.rpc.interceptor import send_header
from weft_kit.rpc.server import Server, Service

Refused = Callable[[Awaitable[Any]], Awaitable[Any]]


class Behind(retrieval_pb2_grpc.RetrievalServiceServicer, cache_pb2_grpc.CacheServiceServicer):
    """Answers with what it was told, so that tests see what arrived."""

    async def Search(self, request: retrieval_pb2.SearchRequest, _: object) -> retrieval_pb2.SearchResponse:
        if not request.query:
            raise InvalidFields({"query": "must not be empty"})
        hit = retrieval_pb2.Hit(
            document_id=current_tenant(), text=request.query, chunk_id=str(current().deadline is None)
        )
        return retrieval_pb2.SearchResponse(hits=[hit])

    async def ListDocuments(self, _request: object, _: object) -> retrieval_pb2.ListDocumentsResponse:
        raise Overloaded("every place is taken", 0.25, queue="embed")

    async def WatchIngestJob(self, request: retrieval_pb2.WatchIngestJobRequest, call: Rpc) -> AsyncIterator[Any]:
        if request.job_id == "unknown":
            raise InvalidFields({"job_id": "names no job"})
        await send_header(call)
        await asyncio.Event().wait()
        yield retrieval_pb2.WatchIngestJobResponse()

    async def GetStats(self, _request: object, _: object) -> cache_pb2.GetStatsResponse:
        return cache_pb2.GetStatsResponse(entries=len(current_tenant()))


@pytest.fixture
async def behind() -> AsyncIterator[Server]:
    services = (
        Service("retrieval", retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, Behind()),
        Service("cache", cache_pb2_grpc.add_CacheServiceServicer_to_server, Behind()),
    )
    async with Server("127.0.0.1:0", services, grace_s=0) as server:
        yield server


@pytest.fixture
async def caller(config: Config, behind: Server, new_caller: Any) -> AsyncIterator[Any]:
    targets = {"cache_target": behind.address, "retrieval_target": behind.address}
    async with gateway(config.model_copy(update=targets), ("serve",)) as server:
        yield await new_caller(server)


async def test_a_call_arrives_with_the_tenant_of_its_key_and_its_deadline(caller: Any) -> None:
    stub = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel)
    claims = (*caller.auth, ("weft-tenant", "victim"))
    answer = await stub.Search(retrieval_pb2.SearchRequest(query="sky"), metadata=claims, timeout=5)
    (hit,) = answer.hits
    assert (hit.document_id, hit.text, hit.chunk_id) == (caller.key.tenant, "sky", "False")


async def test_errors_pass_with_all_they_carry(caller: Any, refused: Refused) -> None:
    stub = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel)
    invalid = await refused(stub.Search(retrieval_pb2.SearchRequest(), metadata=caller.auth))
    assert invalid.status is grpc.StatusCode.INVALID_ARGUMENT
    assert invalid.violations == {"query": "must not be empty"}
    busy = await refused(stub.ListDocuments(retrieval_pb2.ListDocumentsRequest(), metadata=caller.auth))
    assert busy.reason == error_pb2.ERROR_REASON_OVERLOADED
    assert (busy.retry_after_s, busy.metadata) == (0.25, {"queue": "embed"})


async def test_bytes_that_say_nothing_are_an_invalid_argument_here_too(caller: Any, refused: Refused) -> None:
    search = caller.channel.unary_unary("/weft.retrieval.v1.RetrievalService/Search")
    watch = caller.channel.unary_stream("/weft.retrieval.v1.RetrievalService/WatchIngestJob")
    for call in (
        search(b"\xff\xff", metadata=caller.auth),
        search(b"\x0a\x02\xff\xfe", metadata=caller.auth),
        watch(b"\xff\xff", metadata=caller.auth).read(),
    ):
        error = await refused(call)
        assert error.status is grpc.StatusCode.INVALID_ARGUMENT
        assert error.reason == error_pb2.ERROR_REASON_UNREADABLE_REQUEST


async def test_a_request_that_is_too_large_is_not_passed_on(caller: Any, refused: Refused) -> None:
    stub = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel)
    error = await refused(stub.Search(retrieval_pb2.SearchRequest(query="x" * 300_000), metadata=caller.auth))
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    assert error.metadata["limit_bytes"] == str(ORDINARY_BYTES)


async def test_a_stream_that_is_still_silent_is_known_to_be_served(caller: Any, refused: Refused) -> None:
    stub = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel)
    watching = stub.WatchIngestJob(retrieval_pb2.WatchIngestJobRequest(job_id="j"), metadata=caller.auth)
    async with asyncio.timeout(20):
        await watching.initial_metadata()
    assert not watching.done()
    watching.cancel()
    unknown = stub.WatchIngestJob(retrieval_pb2.WatchIngestJobRequest(job_id="unknown"), metadata=caller.auth)
    assert (await refused(unknown.read())).violations == {"job_id": "names no job"}


async def test_only_what_clients_may_do_with_the_cache_is_passed_on(caller: Any) -> None:
    stub = cache_pb2_grpc.CacheServiceStub(caller.channel)
    stats = await stub.GetStats(cache_pb2.GetStatsRequest(), metadata=caller.auth)
    assert stats.entries == len(caller.key.tenant)
    for call in (
        stub.Lookup(cache_pb2.LookupRequest(), metadata=caller.auth),
        stub.Store(cache_pb2.StoreRequest(), metadata=caller.auth),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_key_is_needed_here_too(caller: Any, refused: Refused) -> None:
    stub = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel)
    error = await refused(stub.Search(retrieval_pb2.SearchRequest(query="sky")))
    assert error.status is grpc.StatusCode.UNAUTHENTICATED


async def test_a_service_that_is_down_is_named(caller: Any, refused: Refused) -> None:
    stub = router_pb2_grpc.RouterServiceStub(caller.channel)
    error = await refused(stub.ListProviders(router_pb2.ListProvidersRequest(), metadata=caller.auth))
    assert error.reason == error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    assert error.metadata == {"dependency": "router"}


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of a process that is frozen: the system still accepts connections for it, and nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


async def test_services_that_are_frozen_are_named_before_the_caller_gives_up(
    config: Config, new_caller: Any, frozen: str, refused: Refused
) -> None:
    targets = {"router_target": frozen, "retrieval_target": frozen, "cache_target": frozen}
    async with gateway(config.model_copy(update=targets), ("serve",)) as server:
        caller = await new_caller(server)
        how = {"metadata": caller.auth, "timeout": 6}
        router = router_pb2_grpc.RouterServiceStub(caller.channel)
        retrieval = retrieval_pb2_grpc.RetrievalServiceStub(caller.channel)
        cache = cache_pb2_grpc.CacheServiceStub(caller.channel)
        errors = await asyncio.gather(
            refused(router.ListProviders(router_pb2.ListProvidersRequest(), **how)),
            refused(retrieval.Search(retrieval_pb2.SearchRequest(query="sky"), **how)),
            refused(cache.GetStats(cache_pb2.GetStatsRequest(), **how)),
        )
    assert {error.status for error in errors} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert [error.metadata["dependency"] for error in errors] == ["router", "retrieval", "cache"]
    assert errors[0].message == "router did not answer in time; check that it runs, or allow more time"


async def test_reflection_names_everything_behind_the_door(caller: Any) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(caller.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    answer = await anext(aiter(call))
    assert {service.name for service in answer.list_services_response.service} >= {
        "weft.gateway.v1.GatewayService",
        "weft.gateway.v1.KeyService",
        "weft.retrieval.v1.RetrievalService",
        "weft.router.v1.RouterService",
        "weft.cache.v1.CacheService",
    }


def described(*, client_streaming: bool = False, server_streaming: bool = False) -> Any:
    """A service of one method, as no proto of ours declares it."""
    name = f"probe_{client_streaming}_{server_streaming}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    file.message_type.add(name="Text").field.add(name="text", number=1, type=9, label=1)
    file.service.add(name="Echo").method.add(
        name="Say",
        input_type=f".{name}.Text",
        output_type=f".{name}.Text",
        client_streaming=client_streaming,
        server_streaming=server_streaming,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName(f"{name}.Echo")


async def test_a_stream_is_passed_on_byte_for_byte_message_for_message() -> None:
    messages = [b"one", b"\x00\xff", b""]

    async def say(request: bytes, _: object) -> AsyncIterator[bytes]:
        for message in messages:
            yield request + message

    echo = described(server_streaming=True)
    handlers = {"Say": grpc.unary_stream_rpc_method_handler(say)}
    end = Service(
        echo.full_name,
        lambda _, server: server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(echo.full_name, handlers),)
        ),
        None,
    )
    async with Server("127.0.0.1:0", [end], grace_s=0) as far, Channel(far.address, "echo") as channel:
        service = forwarded(echo, channel, 5)
        async with (
            Server("127.0.0.1:0", [service], grace_s=0) as near,
            grpc.aio.insecure_channel(near.address) as client,
        ):
            call = client.unary_stream(f"/{echo.full_name}/Say")
            assert [message async for message in call(b"> ")] == [b"> " + message for message in messages]


async def test_a_method_the_gate_could_not_see_is_not_forwarded() -> None:
    async with Channel("127.0.0.1:9", "echo") as channel:
        with pytest.raises(ValueError, match="cannot be forwarded"):
            forwarded(described(client_streaming=True), channel, 5)
