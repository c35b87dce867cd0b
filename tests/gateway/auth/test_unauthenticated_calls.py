"""What the gateway lets in: only calls with a key, only requests that can be read, answered in a few lines."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.kit.requests.http2 import Connection, message

from weft.common.v1 import chat_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import job_pb2
from weft_gateway.config import Config
from weft_gateway.server import gateway
from weft_kit import metrics

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]

SUBMIT = "/weft.gateway.v1.GatewayService/SubmitJob"
GENERATE = "/weft.gateway.v1.GatewayService/Generate"
SEARCH = "/weft.retrieval.v1.RetrievalService/Search"


@pytest.mark.parametrize("method", [SUBMIT, GENERATE, SEARCH])
async def test_without_a_key_nothing_of_a_request_is_read(config: Config, method: str) -> None:
    async with gateway(config, ("serve",)) as server:
        assert server is not None
        connection = await Connection.opened(server.address)
        connection.call(method.encode())
        async with asyncio.timeout(20):
            assert b"grpc-status\x0216" in await connection.answer()
        await connection.close()


async def test_an_unreadable_request_is_counted_and_logged_like_any_call(
    caller: Any, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    before = metrics.CALLS.labels(SUBMIT, "INVALID_ARGUMENT")._value.get()
    error = await refused(caller.channel.unary_unary(SUBMIT)(b"\xff\xff", metadata=caller.auth))
    assert error.reason == error_pb2.ERROR_REASON_UNREADABLE_REQUEST
    assert metrics.CALLS.labels(SUBMIT, "INVALID_ARGUMENT")._value.get() == before + 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "UNREADABLE_REQUEST" in line)
    assert f"tenant={caller.key.tenant}" in line
    assert "Traceback" not in line


@pytest.mark.parametrize("header", [b"Bearer \xff\xfe", "Bearer ключ".encode(), b"Bearer " + b"x" * 20_000, b"\xf0"])
async def test_an_authorization_of_odd_bytes_opens_nothing(config: Config, header: bytes) -> None:
    async with gateway(config, ("serve",)) as server:
        assert server is not None
        for path in (SUBMIT, "/weft.gateway.v1.KeyService/ListKeys"):
            connection = await Connection.opened(server.address)
            connection.call(path.encode(), message(b""), more=[(b"authorization", header)])
            async with asyncio.timeout(20):
                assert b"grpc-status\x0216" in await connection.answer()
            await connection.close()


async def test_a_request_full_of_faults_is_answered_with_the_first_twenty(caller: Any, ask: Ask) -> None:
    request = ask()
    request.tools.extend(chat_pb2.Tool(name=f"github.issues.{i}") for i in range(128))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await rpc.GatewayServiceStub(caller.channel).SubmitJob(
            pb.SubmitJobRequest(request=request), metadata=caller.auth
        )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = dict(raised.value.trailing_metadata())["grpc-status-details-bin"]
    assert len(details) < 3000
    assert b"more" in details


@pytest.mark.parametrize("count", [50, 1000, 20_000])
async def test_empty_messages_are_refused_in_a_short_error_and_a_short_line(
    caller: Any, ask: Ask, refused: Refused, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    request = ask()
    request.messages.extend(chat_pb2.Message() for _ in range(count))
    error = await refused(caller.submit(request))
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert len(error.violations) == (20 if count < 4096 else 1)  # so many are not looked at
    assert max(map(len, capsys.readouterr().out.splitlines())) < 8192
    (result,) = await caller.submit_all(pb.SubmitJobRequest(request=request))
    assert len(result.error.violations) <= 20
    assert result.error.ByteSize() < 4096


async def test_an_alias_of_any_length_is_named_in_short(caller: Any, ask: Ask, refused: Refused) -> None:
    error = await refused(caller.submit(ask(model="x" * 100_000)))
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert len(error.message) <= 1024


async def test_a_baggage_header_of_20_kb_is_let_through(caller: Any) -> None:
    stub = rpc.GatewayServiceStub(caller.channel)
    await stub.ListJobs(pb.ListJobsRequest(), metadata=(*caller.auth, ("baggage", "x" * 20_000)))
