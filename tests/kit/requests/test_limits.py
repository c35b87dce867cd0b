"""How much of a request reaches a server: as much as its method takes, compressed or not."""

import gzip

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.kit.requests.calls import HEALTH, KEYED, MIB, STATS, opened, padded, refused

from weft.common.v1 import error_pb2
from weft_kit.requests.limits import OPEN_BYTES, ORDINARY_BYTES, RequestLimits
from weft_kit.rpc.channel import MAX_MESSAGE_BYTES
from weft_kit.rpc.server import Server


@pytest.mark.parametrize(
    ("method", "limit"),
    [(STATS, ORDINARY_BYTES), ("/weft.cache.v1.CacheService/Invalidate", 4 * MIB), (HEALTH, OPEN_BYTES)],
)
async def test_a_request_may_be_as_large_as_its_method_takes(
    channel: grpc.aio.Channel, method: str, limit: int
) -> None:
    ask = channel.unary_unary(method)
    await ask(padded(limit), metadata=KEYED)
    error = await refused(ask(padded(limit + 1), metadata=KEYED))
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    assert error.metadata == {"limit_bytes": str(limit), "size_bytes": str(limit + 1)}
    assert str(limit) in error.message


def test_only_methods_with_contents_take_much() -> None:
    limits = RequestLimits({"/weft.gateway.v1.GatewayService/SubmitJob": 5 * MIB})
    assert limits.of("/weft.gateway.v1.GatewayService/SubmitJob") == 5 * MIB
    assert limits.of("/weft.retrieval.v1.RetrievalService/StageDocuments") == MAX_MESSAGE_BYTES
    assert limits.of("/weft.gateway.v1.GatewayService/ListJobs") == ORDINARY_BYTES
    assert limits.of("/weft.nobody.v1.NewService/Whatever") == ORDINARY_BYTES


async def test_compressed_requests_are_read(server: Server) -> None:
    async with opened(server.address, compression=grpc.Compression.Gzip) as channel:
        await channel.unary_unary(STATS)(padded(100_000), metadata=KEYED)
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="liveness"))
        assert health.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(padded(MIB)), error_pb2.ERROR_REASON_REQUEST_TOO_LARGE),
        (gzip.compress(b"\x0a\x01a")[:-9], error_pb2.ERROR_REASON_UNREADABLE_REQUEST),
        (b"\x1f\x8bnonsense", error_pb2.ERROR_REASON_UNREADABLE_REQUEST),
    ],
    ids=["bomb", "cut", "nonsense"],
)
async def test_what_cannot_be_inflated_within_the_limit_is_refused(
    channel: grpc.aio.Channel, content: bytes, reason: int
) -> None:
    assert (await refused(channel.unary_unary(STATS)(content, metadata=KEYED))).reason == reason


async def test_a_header_of_20_kb_that_others_added_does_no_harm(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(STATS)(b"", metadata=(*KEYED, ("baggage", "x" * 20_000)))


async def test_reflection_answers_short_questions_only(channel: grpc.aio.Channel) -> None:
    ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [answer async for answer in ask(iter([question, question]))]
    assert len(answers) == 2
    long = reflection_pb2.ServerReflectionRequest(file_by_filename="x" * OPEN_BYTES)
    assert (await refused(ask(iter([long])).read())).reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
