"""What people reported that providers say means what the table makes of it."""

import json
from typing import Any

import pytest
from tests.router.providers.refusals.bodies import TPM, anthropic, base_resp, content, openai, wrapped
from tests.router.providers.refusals.said_of_providers import SAID_OF_PROVIDERS
from tests.router.providers.refusals.said_of_requests import SAID_OF_REQUESTS
from tests.support.cost import assert_linear

from weft_router.providers.provider import ProviderError
from weft_router.providers.refusals.error_bodies import read_body
from weft_router.providers.refusals.errors import ProviderAccess, error_in_body, error_in_stream, refusal
from weft_router.providers.refusals.kinds import (
    BILL,
    FAILED,
    INVALID_ANSWER,
    KEY,
    LIMIT,
    MISSING,
    POLICY,
    TIMEOUT,
    TOO_LONG,
    UNKNOWN,
    RefusalKind,
)
from weft_router.providers.refusals.table import TABLE

ACCESS = ProviderAccess("sk-secret", "providers.openai: the key that api_key_env = OPENAI_API_KEY names")


def is_of(kind: RefusalKind, error: ProviderError) -> bool:
    advice = kind.advice.partition("{")[0]
    return (error.reason, error.remedy) == (kind.reason, kind.remedy) and advice in error.message


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [*SAID_OF_REQUESTS, *SAID_OF_PROVIDERS],
    ids=lambda given: getattr(given, "meaning", None),
)
def test_a_refusal_means_what_its_provider_means_by_it(kind: RefusalKind, status: int, body: Any) -> None:
    error = refusal(status, {}, content(body), ACCESS)
    assert is_of(kind, error), error.message


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        # https://github.com/pydantic/pydantic-ai/issues/4354
        (INVALID_ANSWER, openai("Failed to call a function.", code="tool_use_failed", status_code=400)),
        (TOO_LONG, openai(TPM, "tokens", "rate_limit_exceeded")),
        (MISSING, openai("This model does not support image inputs", code=400)),
        # https://github.com/Oaklight/argo-proxy/issues/91
        (POLICY, openai("Error code: 400 - … Azure OpenAI's content management policy", code="content_filter")),
        # https://platform.minimax.io/docs/api-reference/errorcode.md
        (LIMIT, base_resp(1002, "rate limit")),
        (KEY, base_resp(1004, "not authorized")),
        (BILL, base_resp(1008, "insufficient balance")),
        (POLICY, base_resp(1027, "output new_sensitive")),
        (TIMEOUT, base_resp(1001, "request timeout")),
        # https://docs.bigmodel.cn/cn/api/api-code
        (LIMIT, {"error": {"code": "1302", "message": "您当前使用该 API 的并发数过高"}}),
        # https://openrouter.ai/docs/api/reference/errors-and-debugging
        (LIMIT, wrapped("m is temporarily rate-limited upstream", 429)),
        (FAILED, openai("it broke", "server_error")),
        (UNKNOWN, anthropic("bad")),
    ],
    ids=lambda given: getattr(given, "meaning", None),
)
def test_an_error_that_comes_with_200_is_read_by_the_same_table(kind: RefusalKind, body: Any) -> None:
    in_body = error_in_body(content(body))
    assert in_body is not None
    assert is_of(kind, error_in_stream(body))
    assert is_of(kind, in_body)


@pytest.mark.parametrize(
    "body",
    [
        {"choices": []},
        {"id": "1", "choices": [{}], "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"type": "message", "content": [{"type": "text", "text": "error"}]},
        {"candidates": []},
        [],
        7,
    ],
)
def test_an_answer_is_no_error(body: Any) -> None:
    assert error_in_body(content(body)) is None


def test_the_type_that_bedrock_puts_into_a_header_counts() -> None:
    """As every AWS API with JSON does: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html."""
    headers = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/"}
    assert is_of(LIMIT, refusal(400, headers, b'{"message": "Too many tokens, please wait"}', ACCESS))


def test_what_a_proxy_passes_on_is_told_to_the_caller() -> None:
    """OpenRouter: https://github.com/open-webui/computer/issues/293."""
    message = refusal(400, {}, content(wrapped(json.dumps(openai("No seed here.")), 400)), ACCESS).message
    assert "Provider returned error; No seed here." in message


def test_texts_about_a_key_are_never_shown_whatever_their_status() -> None:
    body = content({"code": "x", "error": "Incorrect API key provided: sk-***ret."})
    message = refusal(400, {}, body, ACCESS).message
    assert "sk-***ret" not in message
    assert ACCESS.place in message


def test_a_refusal_does_not_mean_what_the_request_says() -> None:
    """FastAPI quotes the input: https://fastapi.tiangolo.com/tutorial/handling-errors/."""
    quoted = {"messages": [{"content": "what does context_length_exceeded mean?", "code": "context_length_exceeded"}]}
    body = {"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": quoted}]}
    assert is_of(UNKNOWN, refusal(422, {}, content(body), ACCESS))


def test_reading_a_refusal_is_linear_and_bounded() -> None:
    row_texts = [row.text.pattern for row in TABLE if row.text]

    def read(text: str) -> None:
        refusal(400, {}, text.encode(), ACCESS)

    for piece in ("model ", "max_tokens ", "api key ", "retry in ", "<title>", '{"error":', "[", *row_texts[:3]):
        assert_linear(read, lambda size, piece=piece: piece * (size // len(piece)), 4096)  # type: ignore[misc]


def test_a_body_nested_too_deep_is_read_as_far_as_it_goes() -> None:
    body: Any = "the innermost"
    for _ in range(200):
        body = {"error": body, "message": "outer"}
    assert "outer" in read_body(content(body)).text
