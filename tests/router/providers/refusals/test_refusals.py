"""The table of refusals: what people reported that providers say, and what follows from each."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from tests.support.cost import assert_linear

from weft.common.v1 import error_pb2
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.providers.refusals import table
from weft_router.providers.refusals.error_bodies import read_body
from weft_router.providers.refusals.errors import (
    ProviderAccess,
    error_in_body,
    error_in_stream,
    refusal,
)
from weft_router.providers.refusals.kinds import (
    ACCOUNT,
    ADDRESS,
    BILL,
    FAILED,
    FORBIDDEN,
    INVALID_ANSWER,
    KEY,
    LIMIT,
    MAX_TOKENS,
    MISSING,
    MODEL,
    PLACE,
    POLICY,
    QUOTA,
    TIMEOUT,
    TOO_LONG,
    UNKNOWN,
    RefusalKind,
    RefusalRow,
)
from weft_router.providers.refusals.table import TABLE

ACCESS = ProviderAccess("sk-secret", "providers.openai: the key that api_key_env = OPENAI_API_KEY names")
DOCS = Path(__file__).parents[4] / "docs" / "routing.md"


def openai(message: str, kind: str | None = "invalid_request_error", code: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code} | more}


def anthropic(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def google_reason(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


def wrapped(raw: Any, code: int, message: str = "Provider returned error") -> dict[str, Any]:
    metadata = {"raw": raw, "provider_name": "Inner"}
    return {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": "user_1"}


def base_resp(code: int, message: str) -> dict[str, Any]:
    return {"id": "1", "choices": None, "base_resp": {"status_code": code, "status_msg": message}}


TPM = (
    "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM):"
    " Limit 6000, Requested 14368, please reduce your message size and try again."
)

# What was said, with which status, and where that was reported.
SAID: list[tuple[RefusalKind, int, Any]] = [
    # https://github.com/openclaw/openclaw/issues/147644, https://github.com/BerriAI/litellm/issues/3274
    (TOO_LONG, 413, openai(TPM, "tokens", "rate_limit_exceeded")),
    # https://platform.openai.com/docs/guides/error-codes: OpenAI says it with 429
    (TOO_LONG, 429, openai("Request too large for gpt-4o on tokens per min (TPM): Limit 3, Requested 4.", "tokens")),
    # https://github.com/pydantic/pydantic-ai/issues/2774, https://github.com/groq/groq-typescript/issues/103
    (INVALID_ANSWER, 400, openai("Failed to call a function. Please adjust your prompt.", code="tool_use_failed")),
    # https://github.com/HunorLaczko/ha-groq-cloud-api/issues/20
    (INVALID_ANSWER, 400, openai("tool call validation failed: parameters for tool x did not", code="tool_use_failed")),
    # https://console.groq.com/docs/errors
    (INVALID_ANSWER, 400, openai("Failed to validate JSON.", code="json_validate_failed")),
    # https://console.groq.com/docs/flex-processing
    (LIMIT, 498, openai("Flex tier capacity exceeded", "capacity_exceeded", "capacity_exceeded")),
    (LIMIT, 498, b""),
    # https://github.com/BerriAI/litellm/issues/12503
    (
        MISSING,
        400,
        openai("Unsupported value: 'temperature' does not …", param="temperature", code="unsupported_value"),
    ),
    (
        MISSING,
        400,
        openai("Unsupported parameter: 'stop' is not supported with this model.", code="unsupported_parameter"),
    ),
    # https://github.com/miaoxworld/NativeTavern/issues/83
    (MISSING, 400, {"code": "invalid", "error": "Model grok-4 does not support parameter presencePenalty."}),
    (MISSING, 400, openai("deepseek-reasoner does not support the parameter `presence_penalty`")),
    # https://github.com/elie222/inbox-zero/issues/2323, https://github.com/anthropics/anthropic-sdk-python/issues/1185
    (MISSING, 400, openai("Schemas contains too many optional parameters (87), which would make … (limit: 24).")),
    (MISSING, 400, openai("The compiled grammar is too large, which would cause performance issues.")),
    # https://github.com/genkit-ai/genkit/issues/5230
    (MISSING, 400, openai("Schema is too complex for compilation. Try reducing the number of tools.")),
    # https://github.com/RooCodeInc/Roo-Code/issues/12162, https://github.com/BoltAI/BoltAI/issues/302
    (MISSING, 400, openai("`temperature` is deprecated for this model.")),
    (MISSING, 400, openai("Model incompatible request argument supplied: temperature")),
    # https://github.com/kenlasko/monize/pull/405
    (MISSING, 400, {"error": "registry.ollama.ai/library/deepseek-r1:latest does not support tools"}),
    (MISSING, 400, openai("This model does not support image inputs", code="invalid_image")),
    # https://openrouter.ai/docs/api/reference/errors-and-debugging
    (MISSING, 404, openai("No endpoints found that support image input", None, 404)),
    # https://github.com/dottxt-ai/outlines/issues/844
    (MISSING, 400, openai("Invalid schema for response_format 'x': In context=(), …", param="response_format")),
    # https://github.com/vllm-project/vllm/issues/9986
    (
        MISSING,
        400,
        {
            "object": "error",
            "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    (MISSING, 400, anthropic("output_format: Extra inputs are not permitted")),
    (MISSING, 400, google(400, "INVALID_ARGUMENT", "Function calling with a response mime type is unsupported")),
    # https://github.com/Alishahryar1/free-claude-code/issues/542
    (MISSING, 400, google(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "seed"')),
    # https://github.com/ChatGPTNextWeb/NextChat/issues/3195, https://docs.cohere.com/errors-reference
    (
        MAX_TOKENS,
        400,
        openai("max_tokens is too large: 32000. This model supports at most 16384", code="invalid_value"),
    ),
    (
        MAX_TOKENS,
        400,
        anthropic("max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for c"),
    ),
    (MAX_TOKENS, 400, openai("`max_tokens` must be less than or equal to `8192`")),
    (
        MAX_TOKENS,
        400,
        {"message": "too many tokens: max tokens must be less than or equal to 4096, the maximum output"},
    ),
    # https://github.com/nickscamara/open-deep-research/issues/19
    (MAX_TOKENS, 400, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")),
    # https://github.com/Gitlawb/openclaude/issues/331
    (
        MAX_TOKENS,
        400,
        openai("The parameter `max_completion_tokens` is not valid: integer above maximum value", "BadRequest"),
    ),
    # https://github.com/scaleway/docs-content/pull/4858
    (MAX_TOKENS, 416, openai("max_completion_tokens is limited for this model")),
    # https://github.com/huggingface/text-generation-inference/blob/main/router/src/validation.rs
    (
        TOO_LONG,
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
            "error_type": "validation",
        },
    ),
    # https://github.com/mistralai/client-python: `message` may be an object
    (
        TOO_LONG,
        422,
        {
            "object": "error",
            "message": {
                "detail": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"
            },
            "type": "invalid_request_prompt",
            "code": "3051",
        },
    ),
    # https://github.com/ggml-org/llama.cpp/issues/19774: both for the same
    (TOO_LONG, 500, openai("Context size has been exceeded.", "server_error", 500)),
    (TOO_LONG, 400, openai("request (4390 tokens) exceeds the …", "exceed_context_size_error", 400, n_ctx=4096)),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
    (TOO_LONG, 400, {"message": "Input is too long for requested model."}),
    # https://docs.bigmodel.cn/cn/api/api-code
    (TOO_LONG, 400, {"error": {"code": "1261", "message": "Prompt 超长"}}),
    (TOO_LONG, 413, b"<html><head><title>413 Request Entity Too Large</title></head></html>"),
    # https://github.com/anthropics/claude-code/issues/19028
    (ACCOUNT, 400, anthropic("This organization has been disabled.")),
    # https://docs.fireworks.ai/guides/inference-error-codes
    (ACCOUNT, 412, {"error": {"object": "error", "type": "error", "message": "Account x is suspended"}}),
    # https://platform.openai.com/docs/guides/error-codes
    (ACCOUNT, 401, openai("The OpenAI account has been deactivated.", code="account_deactivated")),
    # https://github.com/anthropics/claude-code/issues/38035
    (QUOTA, 400, anthropic("You have reached your specified API usage limits. You will regain access on 2026-04-01")),
    # https://github.com/MiniMax-AI/MiniMax-M2.7/issues/36
    (QUOTA, 429, anthropic("usage limit exceeded, 5-hour usage limit reached for Token Plan", "rate_limit_error")),
    # https://github.com/google-gemini/gemini-cli/issues/10925
    (
        QUOTA,
        429,
        google(429, "RESOURCE_EXHAUSTED", "m", google_reason("RATE_LIMIT_EXCEEDED", quota_limit="RequestsPerDay")),
    ),
    # https://github.com/diegosouzapw/OmniRoute/issues/9504: by the minute, in the words of a spent quota
    (
        LIMIT,
        429,
        google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing"),
    ),
    # https://github.com/openclaw/openclaw/pull/33813
    (QUOTA, 429, {"error": {"code": "1310", "message": "Weekly/Monthly Limit Exhausted"}}),
    # https://github.com/agentscope-ai/QwenPaw/issues/202
    (BILL, 429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}),
    # https://github.com/zai-org/feedback/issues/789
    (
        BILL,
        429,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "[1113][Insufficient balance or no …]"}},
    ),
    # https://github.com/MiniMax-AI/MiniMax-M2/issues/62, https://github.com/modelscope/modelscope/issues/1691
    (BILL, 500, anthropic("insufficient balance (1008)", "api_error")),
    (
        BILL,
        429,
        {"error": {"http_code": "429", "message": "insufficient balance (1008)", "type": "insufficient_balance_error"}},
    ),
    # https://github.com/griptape-ai/griptape-nodes-engine/issues/1079
    (
        BILL,
        403,
        {
            "code": "The caller does not have permission",
            "error": "Your newly created teams doesn't have any credits yet.",
        },
    ),
    # https://github.com/continuedev/continue/issues/10373
    (BILL, 429, "Your team 1 has either used all available credits or reached its monthly spending limit."),
    # https://help.aliyun.com/en/model-studio/error-code
    (BILL, 400, openai("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage")),
    # https://api-docs.deepseek.com/quick_start/error_codes
    (BILL, 402, openai("Insufficient Balance", "unknown_error", "invalid_request_error")),
    # https://docs.x.ai/docs/key-information/debugging
    (KEY, 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***ey."}),
    # https://ai.google.dev/gemini-api/docs/troubleshooting
    (KEY, 400, google(400, "INVALID_ARGUMENT", "API key not valid.", google_reason("API_KEY_INVALID"))),
    # https://docs.cohere.com/errors-reference
    (KEY, 401, {"message": "invalid api token"}),
    # https://learn.microsoft.com/azure/ai-foundry/openai/reference
    (
        KEY,
        401,
        {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}},
    ),
    # https://docs.cloud.google.com/apis/design/errors
    (FORBIDDEN, 403, google(403, "PERMISSION_DENIED", "m", google_reason("SERVICE_DISABLED"))),
    # https://ai.google.dev/gemini-api/docs/troubleshooting
    (PLACE, 400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")),
    # https://docs.wandb.ai/support/inference/articles/api-error-code-403-country-region-or-ter
    (PLACE, 403, openai("Country, region, or territory not supported", None, 403)),
    (PLACE, 403, openai("m", "request_forbidden", "unsupported_country_region_territory")),
    (PLACE, 451, openai("Unavailable for legal reasons", None)),
    # https://github.com/RightNow-AI/openfang/issues/60
    (MODEL, 400, openai("The model `gemma2-9b-it` has been decommissioned", code="model_decommissioned")),
    # https://github.com/continuedev/continue/issues/10166
    (MODEL, 404, openai("The model `gpt-oss-120b` does not exist or you do not have access to it.")),
    # https://api-docs.deepseek.com/api/create-chat-completion
    (MODEL, 400, openai("Model Not Exist")),
    # https://docs.mistral.ai/api: `Invalid model`
    (MODEL, 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}),
    # https://github.com/strands-agents/harness-sdk/issues/38
    (MODEL, 400, {"message": "The provided model identifier is invalid."}),
    (MODEL, 400, {"message": "Invocation of model ID m with on-demand throughput isn't supported."}),
    # https://github.com/home-assistant/core/issues/139085
    (MODEL, 500, {"error": "model requires more system memory (7.3 GiB) than is available (6.0 GiB)"}),
    (MODEL, 410, b""),
    # https://github.com/orgs/community/discussions/204236
    (MODEL, 400, openai("The requested model is not supported.", None, "model_not_supported")),
    # https://fastapi.tiangolo.com/tutorial/first-steps/: a base_url without its /v1
    (MODEL, 404, {"detail": "Not Found"}),
    (ADDRESS, 405, {"detail": "Method Not Allowed"}),
    (ADDRESS, 404, b"<!DOCTYPE html><html><title>404 Not Found</title></html>"),
    # https://developers.cloudflare.com/support/troubleshooting/http-status-codes
    (ADDRESS, 403, b"<!DOCTYPE html>\n<html lang='en-US'><head><title>Just a moment...</title></head></html>"),
    (ADDRESS, 308, b""),
    (ADDRESS, 421, b""),
    (FAILED, 520, b"<html>520</html>"),
    (FAILED, 502, b"<html><title>502 Bad Gateway</title></html>"),
    (TIMEOUT, 524, b"error code: 524"),
    # https://github.com/BerriAI/litellm/issues/8448
    (LIMIT, 429, wrapped("error code: 1015", 429)),
    # https://github.com/reVrost/go-openrouter/pull/21, https://github.com/dottxt-ai/outlines/issues/1666
    (MISSING, 400, wrapped(json.dumps(openai("Invalid schema for response_format 'x': …")), 400)),
    # https://github.com/diegosouzapw/OmniRoute/issues/3044
    (UNKNOWN, 400, wrapped(json.dumps(openai("Model 'm' takes at most 1 image per prompt.")), 400)),
    (LIMIT, 400, wrapped(json.dumps(anthropic("Overloaded", "overloaded_error")), 400)),
    # https://github.com/stanford-crfm/helm/pull/3327, https://github.com/compl-ai/compl-ai/issues/20
    (
        POLICY,
        400,
        openai("The response was filtered …", None, "400", innererror={"code": "ResponsibleAIPolicyViolation"}),
    ),
    # https://github.com/BerriAI/litellm/pull/16231: the code is lost, the words are kept
    (
        POLICY,
        400,
        openai("litellm.BadRequestError: … triggering Azure OpenAI's content management policy.", None, "400"),
    ),
    # https://github.com/anthropics/claude-code/issues/6195
    (POLICY, 400, anthropic("Output blocked by content filtering policy")),
    # https://github.com/UKGovernmentBEIS/inspect_ai/pull/2267
    (
        POLICY,
        403,
        {"code": "The caller does not have permission", "error": "Content violates usage guidelines. Team: t"},
    ),
    # https://openrouter.ai/docs/api/reference/errors-and-debugging
    (POLICY, 403, openai('m requires moderation. Your input was flagged for "violence"', None, 403)),
    (POLICY, 400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
    (
        POLICY,
        400,
        openai("Input data may contain inappropriate content.", "data_inspection_failed", "data_inspection_failed"),
    ),
    # https://github.com/huggingface/transformers/issues/23793
    (LIMIT, 503, {"error": "Model m is currently loading", "estimated_time": 20.0}),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    (LIMIT, 503, openai("Loading model", "unavailable_error", 503)),
    # https://github.com/vllm-project/aibrix/issues/1103
    (LIMIT, 503, b"upstream connect error or disconnect/reset before headers. reset reason: connection failure"),
    (LIMIT, 503, b"no healthy upstream"),
    (LIMIT, 429, b"Too Many Requests"),
    # https://github.com/raycast/extensions/issues/31107, https://github.com/continuedev/continue/issues/6185
    (LIMIT, 429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}),
    (
        LIMIT,
        429,
        {
            "object": "error",
            "message": "Service tier capacity exceeded for this model.",
            "type": "invalid_request_error",
        },
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: XML
    (
        LIMIT,
        400,
        b"<?xml version='1.0'?><ErrorResponse><Error><Code>ThrottlingException</Code></Error></ErrorResponse>",
    ),
    (LIMIT, 400, {"__type": "com.amazon.coral.service#ThrottlingException", "message": "Rate exceeded"}),
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    (LIMIT, 429, {"message": "Model is getting ready."}),
    (FAILED, 424, {"message": "The model errored.", "originalStatusCode": 500}),
    # https://github.com/Azure/azure-sdk-for-java/issues/41670
    (UNKNOWN, 400, openai("Invalid base64 image_url.", code="invalid_base64")),
    # https://github.com/bytedance/trae-agent/issues/173
    (UNKNOWN, 400, openai("Invalid schema for function 'f': …", code="invalid_function_parameters")),
    (UNKNOWN, 418, b""),
    (UNKNOWN, 422, {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]}),
    (UNKNOWN, 400, {"errors": [{"title": "Bad", "detail": "no"}]}),
]


def content(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def is_of(kind: RefusalKind, error: ProviderError) -> bool:
    advice = kind.advice.partition("{")[0]
    return (error.reason, error.remedy) == (kind.reason, kind.remedy) and advice in error.message


@pytest.mark.parametrize(("kind", "status", "body"), SAID, ids=lambda given: getattr(given, "meaning", None))
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


def test_every_row_names_a_public_page() -> None:
    assert all(row.source.startswith("https://") and row.who for row in TABLE)


def test_no_row_is_hidden_by_those_above_it() -> None:
    """A row that names its words alone is reached by them."""
    for row in TABLE:
        for word in row.words if not row.status and row.text is None else ():
            assert table.kind_of(418, {word}, "") is row.kind, word


FOLLOWS = {
    Remedy.NOTHING: "the job fails",
    Remedy.NEXT_ROUTE: "another provider, or another model of this one; once",
    Remedy.ANOTHER_PROVIDER: "another provider",
    Remedy.ANOTHER_ROUTE: "another provider, or another model of this one",
    Remedy.ANOTHER_TRY: "another provider; else the same, after a wait",
}


def docs_table() -> str:
    """What docs/routing.md is to say: the table, by kind, as the code has it."""
    lines = ["| what it means | told by | reason | who is asked next | breaker |", "|---|---|---|---|---|"]
    kinds = [*dict.fromkeys(row.kind for row in TABLE), UNKNOWN]
    for kind in kinds:
        rows = [row for row in TABLE if row.kind is kind]
        told = [*_statuses(rows), *(f"`{word}`" for word in sorted({word for row in rows for word in row.words}))]
        pages = dict.fromkeys((row.who, row.source) for row in rows)
        told += [f"[{who}]({source})" for who, source in pages]
        reason = error_pb2.ErrorReason.Name(kind.reason).removeprefix("ERROR_REASON_")
        says_nothing = ProviderError(kind.reason, "", kind.remedy).is_requests_fault
        breaker = "does not count" if says_nothing else "counts"
        told_by = ", ".join(told) or "every other 4xx"
        lines.append(f"| {kind.meaning} | {told_by} | {reason} | {FOLLOWS[kind.remedy]} | {breaker} |")
    return "\n".join(lines)


def _statuses(rows: list[RefusalRow]) -> list[str]:
    """The statuses that tell by themselves, runs of them as one."""
    alone = sorted({status for row in rows if not row.words and row.text is None for status in row.status})
    runs = [[status for _, status in run] for _, run in groupby(enumerate(alone), lambda pair: pair[1] - pair[0])]
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]


def test_the_documentation_has_the_table_that_the_code_has() -> None:
    assert docs_table() in DOCS.read_text(encoding="utf-8"), f"put this into docs/routing.md:\n{docs_table()}"
