"""What providers said of themselves, their models, the account and the key, whatever was asked."""

import json
from typing import Any

from tests.router.providers.refusals.bodies import anthropic, google, google_reason, openai, wrapped

from weft_router.providers.refusals.kinds import (
    ACCOUNT,
    ADDRESS,
    BILL,
    FAILED,
    FORBIDDEN,
    KEY,
    LIMIT,
    MODEL,
    PLACE,
    QUOTA,
    TIMEOUT,
    RefusalKind,
)

# What was said, with which status, and where that was reported.
SAID_OF_PROVIDERS: list[tuple[RefusalKind, int, Any]] = [
    # https://console.groq.com/docs/flex-processing
    (LIMIT, 498, openai("Flex tier capacity exceeded", "capacity_exceeded", "capacity_exceeded")),
    (LIMIT, 498, b""),
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
    # https://github.com/diegosouzapw/OmniRoute/issues/3044
    (LIMIT, 400, wrapped(json.dumps(anthropic("Overloaded", "overloaded_error")), 400)),
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
]
