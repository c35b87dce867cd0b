"""Whatever a text field of a request holds, the answer is never that the gateway broke."""

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from tests.gateway.conftest import OPERATOR_TOKEN, Caller
from tests.support.descriptors import (
    TEXTS,
    Way,
    holding,
    is_item,
    ways,
)

from weft.gateway.v1 import gateway_pb2, tenant_pb2, webhook_pb2

SERVICES = [
    service for file in (gateway_pb2, tenant_pb2, webhook_pb2) for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS = [method for service in SERVICES for method in service.methods if any(ways(method.input_type, TEXTS))]
OPERATORS = {"KeyService", "TenantService"}
ODD = [
    "",
    " ",
    "*",
    ">",
    ".",
    "../..",
    "%00",
    "é",
    "\u2028",
    "\ufffe",
    "😀",
    "'; --",
    "n00000000-*",
    "\\u0000",
    "x" * 20_000,
]
ALLOWED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNAVAILABLE"}


async def outcome(caller: Caller, method: MethodDescriptor, way: Way, text: str) -> str:
    """Calls a method with one text in its request; returns the status."""
    request, _ = holding(method.input_type, way, text)
    auth = (
        (("authorization", f"Bearer {OPERATOR_TOKEN}"),) if method.containing_service.name in OPERATORS else caller.auth
    )
    path = f"/{method.containing_service.full_name}/{method.name}"
    read = GetMessageClass(method.output_type).FromString
    try:
        if method.server_streaming:
            async for _ in caller.channel.unary_stream(path, None, read)(request.SerializeToString(), metadata=auth):
                pass
        else:
            await caller.channel.unary_unary(path, None, read)(request.SerializeToString(), metadata=auth)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_nul_is_an_invalid_argument_in_every_text_of_every_call(caller: Caller, method: MethodDescriptor) -> None:
    for way in ways(method.input_type, TEXTS):
        if not any(map(is_item, way)):
            assert (way, await outcome(caller, method, way, "a\0b")) == (way, "INVALID_ARGUMENT")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_no_text_of_any_call_breaks_the_gateway(caller: Caller, method: MethodDescriptor) -> None:
    for way in ways(method.input_type, TEXTS):
        for text in ODD:
            found = await outcome(caller, method, way, text)
            assert found in ALLOWED, f"{'.'.join(field.name for field in way)} = {text[:20]!r}: {found}"
