"""What providers' refusals mean, in each format's own words."""

import json
from typing import Any

import pytest

from weft.common.v1 import error_pb2
from weft_kit.routing_entries import Breaking
from weft_router.health import ProviderHealth
from weft_router.providers.failures import Access, error_in_body, error_in_stream, refusal
from weft_router.providers.port import Remedy
from weft_router.providers.waits import retry_after_s, span_s

ERROR = error_pb2.ERROR_REASON_PROVIDER_ERROR
OVERLOADED = error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
REJECTED = error_pb2.ERROR_REASON_PROVIDER_REJECTED
TIMEOUT = error_pb2.ERROR_REASON_PROVIDER_TIMEOUT

AGAIN, ELSEWHERE, NOTHING = Remedy.ANOTHER_TRY, Remedy.ANOTHER_PROVIDER, Remedy.NOTHING
ACCESS = Access("sk-secret", "providers.openai: the key that api_key_env = OPENAI_API_KEY names")


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
        (400, openai("bad", "invalid_request_error"), REJECTED, NOTHING),
        (401, openai("wrong key", "invalid_request_error", "invalid_api_key"), ERROR, ELSEWHERE),
        (404, openai("no such model", "invalid_request_error", "model_not_found"), ERROR, ELSEWHERE),
        (400, openai("too long", "invalid_request_error", "context_length_exceeded"), REJECTED, ELSEWHERE),
        (400, openai("filtered", "", "content_filter"), REJECTED, NOTHING),
        (429, openai("slow down", "requests", "rate_limit_exceeded"), OVERLOADED, AGAIN),
        (429, openai("no money", "insufficient_quota", "insufficient_quota"), OVERLOADED, ELSEWHERE),
        (404, {"error": {"code": "DeploymentNotFound", "message": "m"}}, ERROR, ELSEWHERE),
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 8", "code": 400},
            REJECTED,
            ELSEWHERE,
        ),
        (404, {"error": "model 'x' not found"}, ERROR, ELSEWHERE),
        (400, anthropic("invalid_request_error"), REJECTED, NOTHING),
        (400, anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), REJECTED, ELSEWHERE),
        (400, anthropic("invalid_request_error", "Your credit balance is too low"), ERROR, ELSEWHERE),
        (401, anthropic("authentication_error"), ERROR, ELSEWHERE),
        (403, anthropic("permission_error"), ERROR, ELSEWHERE),
        (404, anthropic("not_found_error"), ERROR, ELSEWHERE),
        (413, anthropic("request_too_large"), REJECTED, NOTHING),
        (429, anthropic("rate_limit_error"), OVERLOADED, AGAIN),
        (500, anthropic("api_error"), ERROR, AGAIN),
        (529, anthropic("overloaded_error", "Overloaded"), OVERLOADED, AGAIN),
        (400, google(400, "INVALID_ARGUMENT"), REJECTED, NOTHING),
        (400, google(400, "INVALID_ARGUMENT", "API key not valid."), ERROR, ELSEWHERE),
        (400, google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum"), REJECTED, ELSEWHERE),
        (400, google(400, "FAILED_PRECONDITION"), ERROR, ELSEWHERE),
        (403, google(403, "PERMISSION_DENIED"), ERROR, ELSEWHERE),
        (429, google(429, "RESOURCE_EXHAUSTED"), OVERLOADED, AGAIN),
        (429, google(429, "RESOURCE_EXHAUSTED", "m", QUOTA_FAILURE), OVERLOADED, ELSEWHERE),
        (503, [google(503, "UNAVAILABLE")], OVERLOADED, AGAIN),
        (504, google(504, "DEADLINE_EXCEEDED"), TIMEOUT, AGAIN),
        (422, {"detail": [{"loc": ["body"]}]}, REJECTED, NOTHING),
    ],
)
def test_a_refusal_is_understood_in_every_format(status: int, body: Any, reason: int, remedy: Remedy) -> None:
    error = refusal(status, {}, json.dumps(body).encode(), ACCESS)

    assert (error.reason, error.remedy) == (reason, remedy)
    assert error.message.startswith(f"the provider answered {status} ")


@pytest.mark.parametrize(
    ("body", "reason", "remedy"),
    [
        (anthropic("overloaded_error"), OVERLOADED, AGAIN),
        (anthropic("invalid_request_error"), REJECTED, NOTHING),
        (anthropic("something_new"), ERROR, AGAIN),
        (openai("m", "server_error"), ERROR, AGAIN),
        (openai("m", "tokens", "rate_limit_exceeded"), OVERLOADED, AGAIN),
        ({"error": {"code": 502, "message": "upstream"}, "choices": []}, ERROR, AGAIN),
        ({"error": {"code": 429, "message": "upstream"}}, OVERLOADED, AGAIN),
        ({"error": "it broke"}, ERROR, AGAIN),
        (google(503, "UNAVAILABLE"), OVERLOADED, AGAIN),
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
        ({"retry-after": "30"}, [], 30),
        ({"retry-after-ms": "5000", "retry-after": "6"}, [], 5),
        ({"retry-after-ms": "inf"}, [], None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, [], 10),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, [], 0),
        ({"retry-after": "soon"}, [], None),
        ({}, [{"@type": "other"}, RETRY_INFO], 34.4),
        ({"retry-after": "3"}, [RETRY_INFO], 3),
        ({}, ["nonsense", {"@type": RETRY_INFO["@type"]}], None),
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
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], details: list[Any], seconds: float | None) -> None:
    assert retry_after_s(headers, details, now_unix_s=20, status=429) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h2m3.5s", 3723.5), ("20ms", 0.02), ("", None), ("5", None), ("5s!", None)]
)
def test_a_span_is_a_span_or_nothing(text: str, seconds: float | None) -> None:
    assert span_s(text) == seconds


def test_what_a_provider_said_stays_with_the_job_it_was_said_to() -> None:
    body = json.dumps(openai("cannot answer 'the patient is called Jane'")).encode()
    error = refusal(400, {}, body, ACCESS)
    health = ProviderHealth(Breaking())
    health.failed_with(error)
    assert "Jane" in error.to_wire().message
    assert health.last_error == "PROVIDER_REJECTED (HTTP 400)"
