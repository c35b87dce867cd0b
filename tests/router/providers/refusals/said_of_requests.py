"""What providers said of a request or an answer that they do not take."""

import json
from typing import Any

from tests.router.providers.refusals.bodies import TPM, anthropic, google, openai, wrapped

from weft_router.providers.refusals.kinds import (
    INVALID_ANSWER,
    MAX_TOKENS,
    MISSING,
    POLICY,
    TOO_LONG,
    UNKNOWN,
    RefusalKind,
)

# What was said, with which status, and where that was reported.
SAID_OF_REQUESTS: list[tuple[RefusalKind, int, Any]] = [
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
    # https://github.com/reVrost/go-openrouter/pull/21, https://github.com/dottxt-ai/outlines/issues/1666
    (MISSING, 400, wrapped(json.dumps(openai("Invalid schema for response_format 'x': …")), 400)),
    # https://github.com/diegosouzapw/OmniRoute/issues/3044
    (UNKNOWN, 400, wrapped(json.dumps(openai("Model 'm' takes at most 1 image per prompt.")), 400)),
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
    # https://github.com/Azure/azure-sdk-for-java/issues/41670
    (UNKNOWN, 400, openai("Invalid base64 image_url.", code="invalid_base64")),
    # https://github.com/bytedance/trae-agent/issues/173
    (UNKNOWN, 400, openai("Invalid schema for function 'f': …", code="invalid_function_parameters")),
    (UNKNOWN, 418, b""),
    (UNKNOWN, 422, {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]}),
    (UNKNOWN, 400, {"errors": [{"title": "Bad", "detail": "no"}]}),
]
