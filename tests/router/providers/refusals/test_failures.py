"""What providers' refusals mean, in each format's own words."""

import json
from typing import Any

import pytest

from weft.common.v1 import error_pb2
from weft_kit.catalog.routing import Breaking
from weft_router.fleet.health import ProviderHealth
from weft_router.providers.provider import Remedy
from weft_router.providers.refusals.errors import (
    ProviderAccess,
    error_in_body,
    error_in_stream,
    refusal,
)
from weft_router.providers.refusals.retry_after import LONGEST_S, retry_after_s, span_s

ERROR = error_pb2.ERROR_REASON_PROVIDER_ERROR
OVERLOADED = error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
REJECTED = error_pb2.ERROR_REASON_PROVIDER_REJECTED
TIMEOUT = error_pb2.ERROR_REASON_PROVIDER_TIMEOUT

AGAIN, ELSEWHERE, NOTHING = Remedy.ANOTHER_TRY, Remedy.ANOTHER_PROVIDER, Remedy.NOTHING
ONCE, ANOTHER_ROUTE = Remedy.NEXT_ROUTE, Remedy.ANOTHER_ROUTE
ACCESS = ProviderAccess("sk-secret", "providers.openai: the key that api_key_env = OPENAI_API_KEY names")


def openai(message: str, kind: str = "", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str = "m") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(code: int, status: str, message: str = "m", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


QUOTA_FAILURE = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


@pytest.mark.parametrize(
    ("status", "body", "reason", "remedy"),
    [
        # https://platform.openai.com/docs/guides/error-codes
        (400, openai("bad", "invalid_request_error"), REJECTED, ONCE),
        (401, openai("wrong key", "invalid_request_error", "invalid_api_key"), ERROR, ELSEWHERE),
        (404, openai("no such model", "invalid_request_error", "model_not_found"), ERROR, ANOTHER_ROUTE),
        (400, openai("too long", "invalid_request_error", "context_length_exceeded"), REJECTED, ANOTHER_ROUTE),
        (400, openai("filtered", "", "content_filter"), REJECTED, NOTHING),
        (429, openai("slow down", "requests", "rate_limit_exceeded"), OVERLOADED, AGAIN),
        (429, openai("no money", "insufficient_quota", "insufficient_quota"), OVERLOADED, ELSEWHERE),
        # https://github.com/chatboxai/chatbox/issues/646
        (404, {"error": {"code": "DeploymentNotFound", "message": "m"}}, ERROR, ANOTHER_ROUTE),
        # https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/protocol.py, its ErrorResponse
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 8", "code": 400},
            REJECTED,
            ANOTHER_ROUTE,
        ),
        # https://github.com/ollama/ollama/blob/main/docs/api.md
        (404, {"error": "model 'x' not found"}, ERROR, ANOTHER_ROUTE),
        # https://docs.anthropic.com/en/api/errors
        (400, anthropic("invalid_request_error"), REJECTED, ONCE),
        (400, anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), REJECTED, ANOTHER_ROUTE),
        (400, anthropic("invalid_request_error", "Your credit balance is too low"), ERROR, ELSEWHERE),
        (401, anthropic("authentication_error"), ERROR, ELSEWHERE),
        (403, anthropic("permission_error"), ERROR, ELSEWHERE),
        (404, anthropic("not_found_error"), ERROR, ANOTHER_ROUTE),
        (413, anthropic("request_too_large"), REJECTED, ANOTHER_ROUTE),
        (429, anthropic("rate_limit_error"), OVERLOADED, AGAIN),
        (500, anthropic("api_error"), ERROR, AGAIN),
        (529, anthropic("overloaded_error", "Overloaded"), OVERLOADED, AGAIN),
        # https://ai.google.dev/gemini-api/docs/troubleshooting
        (400, google(400, "INVALID_ARGUMENT"), REJECTED, ONCE),
        (400, google(400, "INVALID_ARGUMENT", "API key not valid."), ERROR, ELSEWHERE),
        (
            400,
            google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum"),
            REJECTED,
            ANOTHER_ROUTE,
        ),
        (400, google(400, "FAILED_PRECONDITION"), ERROR, ELSEWHERE),
        (403, google(403, "PERMISSION_DENIED"), ERROR, ELSEWHERE),
        (429, google(429, "RESOURCE_EXHAUSTED"), OVERLOADED, AGAIN),
        (429, google(429, "RESOURCE_EXHAUSTED", "m", QUOTA_FAILURE), OVERLOADED, ELSEWHERE),
        (503, [google(503, "UNAVAILABLE")], OVERLOADED, AGAIN),
        (504, google(504, "DEADLINE_EXCEEDED"), TIMEOUT, AGAIN),
        # https://fastapi.tiangolo.com/tutorial/handling-errors/
        (422, {"detail": [{"loc": ["body"]}]}, REJECTED, ONCE),
    ],
)
def test_a_refusal_is_understood_in_every_format(status: int, body: Any, reason: int, remedy: Remedy) -> None:
    error = refusal(status, {}, json.dumps(body).encode(), ACCESS)

    assert (error.reason, error.remedy) == (reason, remedy)
    assert error.message.startswith(f"the provider answered {status} ")


@pytest.mark.parametrize(
    ("body", "reason", "remedy"),
    [
        # https://docs.anthropic.com/en/docs/build-with-claude/streaming#error-events
        (anthropic("overloaded_error"), OVERLOADED, AGAIN),
        (anthropic("invalid_request_error"), REJECTED, ONCE),
        (anthropic("something_new"), ERROR, AGAIN),
        # https://platform.openai.com/docs/api-reference/responses-streaming/error
        (openai("m", "server_error"), ERROR, AGAIN),
        (openai("m", "tokens", "rate_limit_exceeded"), OVERLOADED, AGAIN),
        # https://openrouter.ai/docs/api/reference/errors-and-debugging
        ({"error": {"code": 502, "message": "upstream"}, "choices": []}, ERROR, AGAIN),
        ({"error": {"code": 429, "message": "upstream"}}, OVERLOADED, AGAIN),
        ({"error": "it broke"}, ERROR, AGAIN),
        (google(503, "UNAVAILABLE"), OVERLOADED, AGAIN),
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
        ({"throttlingException": {"message": "m", "name": "ThrottlingException"}}, OVERLOADED, AGAIN),
        ({"modelStreamErrorException": {"message": "m"}}, ERROR, AGAIN),
        (None, ERROR, AGAIN),
        ({}, ERROR, AGAIN),
    ],
)
def test_an_error_inside_a_stream_is_understood_as_one_before_it(body: Any, reason: int, remedy: Remedy) -> None:
    error = error_in_stream(body)
    assert (error.reason, error.remedy) == (reason, remedy)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b"7", b'{"error": []}', b'{"error": {"code": {}}}', b"\xff"]
)
def test_what_is_no_error_object_is_classified_by_its_status(content: bytes) -> None:
    assert refusal(503, {}, content, ACCESS).reason == OVERLOADED


def test_an_error_object_in_place_of_a_stream_is_read() -> None:
    error = error_in_body(json.dumps(openai("m", "x", "rate_limit_exceeded")).encode())

    assert error is not None
    assert error.reason == OVERLOADED
    assert error_in_body(b'{"choices": []}') is None


def test_a_key_that_is_refused_is_named_by_its_setting_but_never_shown() -> None:
    content = json.dumps(openai("Incorrect key sk-secret")).encode()

    assert "OPENAI_API_KEY" in refusal(401, {}, content, ACCESS).message
    assert "OPENAI_API_KEY" in refusal(403, {}, content, ACCESS).message
    for status in (400, 401, 403, 500):
        assert "sk-secret" not in refusal(status, {}, content, ACCESS).message


def test_what_a_provider_says_about_a_bad_request_is_passed_on() -> None:
    message = refusal(400, {}, json.dumps(openai("max_tokens is too large" + "!" * 999)).encode(), ACCESS).message

    assert "max_tokens is too large" in message
    assert len(message) < 400


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({}, [], None),
        # https://www.rfc-editor.org/rfc/rfc9110#field.retry-after, and openai-python's _base_client.py
        ({"retry-after": "30"}, [], 30),
        ({"retry-after": "1.5"}, [], 1.5),
        ({"retry-after": "-5"}, [], 0),
        ({"retry-after": "34.4s"}, [], 34.4),
        ({"retry-after": "99999999999999999999"}, [], LONGEST_S),
        ({"retry-after": "nan"}, [], None),
        ({"retry-after": "1" * 400}, [], None),
        ({"retry-after-ms": "inf", "retry-after": "6"}, [], 6),
        # https://learn.microsoft.com/azure/ai-foundry/openai/how-to/provisioned-throughput-onboarding
        ({"x-ms-retry-after-ms": "250"}, [], 0.25),
        ({"retry-after-ms": "5000", "retry-after": "6"}, [], 5),
        ({"retry-after-ms": "inf"}, [], None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, [], 10),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, [], 0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 -0000"}, [], 10),
        ({"retry-after": "1970-01-01T00:00:30Z"}, [], 10),
        ({"retry-after": "soon"}, [], None),
        ({"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT"}, [], None),
        # https://cloud.google.com/apis/design/errors#error_payloads
        ({}, [{"@type": "other"}, RETRY_INFO], 34.4),
        ({"retry-after": "3"}, [RETRY_INFO], 3),
        ({}, ["nonsense", {"@type": RETRY_INFO["@type"]}], None),
        # https://github.com/huggingface/transformers/issues/23793
        ({}, [{"error": "Model m is currently loading", "estimated_time": 20.0}], 20),
        ({}, [{"retry_after": True}, {"retry_after": "soon"}, {"retry_after_seconds": "7"}], 7),
        # https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, [], 360),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "6m0s"}, [], None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "20ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1.5s",
            },
            [],
            1.5,
        ),
        # https://docs.anthropic.com/en/api/rate-limits#response-headers
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "1970-01-01T00:00:50Z",
                "anthropic-ratelimit-requests-remaining": "7",
                "anthropic-ratelimit-requests-reset": "1970-01-01T01:00:00Z",
            },
            [],
            30,
        ),
        # https://openrouter.ai/docs/api/reference/limits: Unix time in milliseconds
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1746921600000"}, [], LONGEST_S),
        # https://inference-docs.cerebras.ai/support/rate-limits: seconds, as a fraction
        ({"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "11.38"}, [], 11.38),
        # https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06
        ({"ratelimit-remaining": "0", "ratelimit-reset": "50"}, [], 50),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "never"}, [], None),
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], details: list[Any], seconds: float | None) -> None:
    assert retry_after_s(headers, details, now_unix_s=20, status=429) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h2m3.5s", 3723.5), ("20ms", 0.02), ("500µs", 0.0005), ("", None), ("5", None), ("5s!", None), ("5sx", None)],
)
def test_a_span_is_a_span_or_nothing(text: str, seconds: float | None) -> None:
    assert span_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # https://github.com/openai/openai-cookbook/blob/main/examples/How_to_handle_rate_limits.ipynb
        ("Rate limit reached for gpt-4 on requests per min. Limit: 20 / min. Please try again in 3s.", 3),
        # https://github.com/BerriAI/litellm/issues/3274
        ("on tokens per minute (TPM): Limit 6000, Used 5990. Please try again in 7m12.5s. Visit …", 432.5),
        ("Please try again in 185ms", 0.185),
        # https://github.com/diegosouzapw/OmniRoute/issues/9504
        ("Please retry in 36.429760048s.", 36.429760048),
        # https://github.com/MicrosoftDocs/azure-docs/issues/114013 and others of Azure's
        ("Please retry after 26 seconds. To increase your limit …", 26),
        ("Please wait 2 minutes before you retry", None),
        ("try again in a while", None),
    ],
)
def test_the_wait_is_read_in_words_where_nothing_else_says_it(text: str, seconds: float | None) -> None:
    assert retry_after_s({}, [], now_unix_s=20, status=429, text=text) == seconds
    assert retry_after_s({"retry-after": "1"}, [], now_unix_s=20, status=429, text=text) == 1
    assert retry_after_s({}, [], now_unix_s=20, status=400, text=text) is None


def test_the_wait_of_a_provider_behind_a_proxy_is_read() -> None:
    """As OpenRouter passes it on: https://openrouter.ai/docs/api/reference/limits."""
    metadata = {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "50"}}
    body = {"error": {"code": 429, "message": "Rate limit exceeded", "metadata": metadata}}
    assert refusal(429, {}, json.dumps(body).encode(), ACCESS).retry_after_s == 50


def test_what_a_provider_said_stays_with_the_job_it_was_said_to() -> None:
    body = json.dumps(openai("cannot answer 'the patient is called Jane'")).encode()
    error = refusal(400, {}, body, ACCESS)
    health = ProviderHealth(Breaking())
    health.failed_with(error)
    assert "Jane" in error.to_wire().message
    assert health.last_error == "PROVIDER_REJECTED (HTTP 400)"


def test_a_request_at_fault_does_not_say_why_its_provider_is_out() -> None:
    health = ProviderHealth(Breaking())
    health.failed_with(refusal(401, {}, b"", ACCESS))
    health.failed_with(refusal(400, {}, json.dumps(openai("no such parameter")).encode(), ACCESS))
    assert (health.last_reason, health.last_remedy) == ("PROVIDER_ERROR", Remedy.ANOTHER_PROVIDER)
