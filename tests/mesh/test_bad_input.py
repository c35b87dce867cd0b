"""Bad input, each with its own status and reason, through the one gateway."""

import json

import grpc
import pytest
from tests.mesh.environment import Environment

from weft.common.v1 import error_pb2, filter_pb2
from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.requests import chat
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")


def negative_limit() -> job_pb2.GenerationRequest:
    request = chat("hello")
    request.sampling.max_tokens = -1
    return request


def malformed_filter() -> job_pb2.GenerationRequest:
    request = chat("hello", collection="handbook")
    request.retrieval.filter.condition.CopyFrom(filter_pb2.Condition(field="colour"))
    return request


def form(schema: str) -> job_pb2.GenerationRequest:
    request = chat("hello")
    request.response_format.json_schema.name = "n"
    request.response_format.json_schema.schema_json = schema
    return request


def doubling_schema() -> str:
    parts = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(30)}
    return json.dumps({"$defs": parts | {"d30": {}}, "$ref": "#/$defs/d0"})


REFUSED = {
    "unknown model": (chat("hello", model="nonesuch"), error_pb2.ERROR_REASON_UNKNOWN_MODEL),
    "no messages": (job_pb2.GenerationRequest(model="default"), error_pb2.ERROR_REASON_INVALID_FIELD),
    "negative limit": (negative_limit(), error_pb2.ERROR_REASON_INVALID_FIELD),
    "ten megabytes": (chat("x" * 10_000_000), error_pb2.ERROR_REASON_REQUEST_TOO_LARGE),
    "130 levels": (form('{"items": ' * 130 + "{}" + "}" * 130), error_pb2.ERROR_REASON_INVALID_FIELD),
    "lone surrogate": (form('{"enum": ["\\ud800"]}'), error_pb2.ERROR_REASON_INVALID_FIELD),
    "doubling schema": (form(doubling_schema()), error_pb2.ERROR_REASON_INVALID_FIELD),
    "long enum": (form(json.dumps({"enum": [f"v{i:05}" for i in range(8300)]})), error_pb2.ERROR_REASON_INVALID_FIELD),
    "malformed filter": (malformed_filter(), error_pb2.ERROR_REASON_INVALID_FILTER),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_request_is_refused_with_its_reason(environment: Environment, name: str) -> None:
    request, reason = REFUSED[name]
    async with environment.client() as weft:
        with pytest.raises(WeftError) as refused:
            await weft.submit(request)
    assert refused.value.status is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.reason == reason
    assert "Traceback" not in refused.value.message


async def test_a_bad_key_opens_nothing(environment: Environment) -> None:
    async with WeftClient(environment.endpoint, "wk_nobody_nothing") as weft:
        with pytest.raises(WeftError) as refused:
            await weft.jobs()
    assert refused.value.status is grpc.StatusCode.UNAUTHENTICATED


async def test_another_tenants_job_is_not_found(environment: Environment) -> None:
    async with environment.client() as weft, environment.other_tenant() as other:
        job = await weft.submit(chat("Mine.", max_tokens=4))
        missing = job.job_id[:-1] + ("0" if job.job_id[-1] != "0" else "1")
        messages = []
        for job_id in (job.job_id, missing):
            with pytest.raises(WeftError) as refused:
                await other.job(job_id)
            assert refused.value.reason == error_pb2.ERROR_REASON_JOB_NOT_FOUND
            messages.append(refused.value.message.replace(job_id, "ID"))
        assert messages[0] == messages[1]
        with pytest.raises(WeftError):
            await other.cancel(job.job_id)


async def test_another_tenants_collection_is_not_found(environment: Environment) -> None:
    async with environment.other_tenant() as other:
        with pytest.raises(WeftError) as refused:
            await other.documents.search("handbook", "ferry")
    assert refused.value.reason == error_pb2.ERROR_REASON_COLLECTION_NOT_FOUND


async def test_a_corrupt_pdf_is_unreadable(environment: Environment) -> None:
    async with environment.client() as weft:
        with pytest.raises(WeftError) as refused:
            await weft.documents.ingest("handbook", "broken.pdf", b"%PDF-1.7\nnot really")
    assert refused.value.reason == error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT


async def test_a_question_to_a_missing_collection_fails_the_job_with_its_reason(environment: Environment) -> None:
    async with environment.client() as weft:
        generation = weft.run(chat("hello", collection="nowhere", temperature=1))
        async for _ in generation:
            pass
        job = await weft.job(generation.job_id)
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.error.reason == error_pb2.ERROR_REASON_RETRIEVAL_FAILED
