"""What providers' refusals mean: one table, in which the first row that fits decides.

A new refusal needs a new row here and a parameter in its test. A row fits if everything that it names does: the status,
one of its words (codes, types and reasons of the error object), and its text. `docs/routing.md` has the same table.
"""

from collections.abc import Collection

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

_row = RefusalRow.of

_INVALID = (400, 403, 413, 415, 422, 500, 501)
"""Statuses of servers that do not accept a request. Some report that as their own failure."""
_UNPAID = (400, 401, 402, 403, 412, 429, 500)

_GITHUB = "https://github.com"
_OPENAI = "https://platform.openai.com/docs/guides/error-codes"
_ANTHROPIC = "https://docs.anthropic.com/en/api/errors"
_GEMINI = "https://ai.google.dev/gemini-api/docs/troubleshooting"
_GOOGLE = "https://docs.cloud.google.com/apis/design/errors"
_GROQ = "https://console.groq.com/docs/errors"
_AZURE = "https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter"
_BEDROCK = "https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html"
_DASHSCOPE = "https://help.aliyun.com/en/model-studio/error-code"
_ZHIPU = "https://docs.bigmodel.cn/cn/api/api-code"
_MINIMAX = "https://platform.minimax.io/docs/api-reference/errorcode.md"
_KIMI = "https://www.kimi.com/code/docs/en/kimi-code/error-reference.html"
_COHERE = "https://docs.cohere.com/errors-reference"
_FIREWORKS = "https://docs.fireworks.ai/guides/inference-error-codes"
_OPENROUTER = "https://openrouter.ai/docs/api/reference/errors-and-debugging"
_DEEPSEEK = "https://api-docs.deepseek.com/quick_start/error_codes"
_CLOUDFLARE = "https://developers.cloudflare.com/support/troubleshooting/http-status-codes"
_RFC9110 = "https://www.rfc-editor.org/rfc/rfc9110#section-15"

TABLE: tuple[RefusalRow, ...] = (
    # Content. The router does not try whether another provider would accept it, nor if one refuses in words, with 200.
    # (OpenRouter asks the next model by default, LiteLLM if content_policy_fallbacks says so.)
    _row(POLICY, "Azure", _AZURE, words="content_filter content_policy_violation ResponsibleAIPolicyViolation"),
    _row(POLICY, "DashScope", _DASHSCOPE, words="data_inspection_failed DataInspectionFailed"),
    _row(POLICY, "Zhipu", _ZHIPU, words="1301"),
    _row(POLICY, "MiniMax", _MINIMAX, words="base_resp.1026 base_resp.1027"),
    _row(POLICY, "Azure", _AZURE, status=_INVALID, text="content management policy"),
    _row(POLICY, "Anthropic", f"{_GITHUB}/anthropics/claude-code/issues/6195", text="content filtering policy"),
    _row(
        POLICY,
        "OpenAI",
        f"{_GITHUB}/BerriAI/litellm/blob/main/litellm/litellm_core_utils/exception_mapping_utils.py",
        status=_INVALID,
        text=r"our usage polic|safety system",
    ),
    _row(POLICY, "xAI", f"{_GITHUB}/UKGovernmentBEIS/inspect_ai/pull/2267", text="violates usage guidelines"),
    _row(POLICY, "OpenRouter", _OPENROUTER, status=(400, 403), text=r"(?:input|prompt) was flagged"),
    # A mistake of the model, which it may not repeat. Groq advises to try again at a lower temperature.
    _row(
        INVALID_ANSWER,
        "Groq",
        "https://console.groq.com/docs/tool-use/local-tool-calling",
        words="tool_use_failed json_validate_failed output_parse_failed",
    ),
    # It says "too many tokens" but means tokens per minute.
    _row(
        LIMIT,
        "Bedrock",
        _BEDROCK,
        words="ThrottlingException ModelNotReadyException ServiceQuotaExceededException TooManyRequestsException",
    ),
    # Larger than the limit per minute: waiting does not help.
    _row(TOO_LONG, "Groq", f"{_GITHUB}/BerriAI/litellm/issues/3274", text=r"request too large for"),
    # Money and quotas.
    _row(
        QUOTA,
        "OpenAI",
        _OPENAI,
        words="insufficient_quota billing_hard_limit_reached billing_not_active credit_balance_exhausted",
    ),
    _row(QUOTA, "Gemini", f"{_GITHUB}/google-gemini/gemini-cli/issues/10925", words="PerDay"),
    _row(QUOTA, "Anthropic", _ANTHROPIC, words="enforced_spend_limit_reached"),
    _row(
        QUOTA,
        "Anthropic, MiniMax, Kimi",
        f"{_GITHUB}/anthropics/claude-code/issues/38035",
        status=(400, 403, 429),
        text=r"API usage limits|usage limit (?:exceeded|reached)|your usage limit",
    ),
    _row(QUOTA, "Kimi", _KIMI, words="exceeded_current_quota_error"),
    _row(QUOTA, "Zhipu", _ZHIPU, words="1304 1308 1310"),
    _row(BILL, "Zhipu", _ZHIPU, words="1113 1309"),
    _row(BILL, "MiniMax", _MINIMAX, words="base_resp.1008 insufficient_balance_error"),
    _row(BILL, "DashScope", _DASHSCOPE, words="Arrearage AllocationQuota.FreeTierOnly"),
    _row(BILL, "Google", _GOOGLE, words="BILLING_DISABLED"),
    _row(BILL, "Anthropic", _ANTHROPIC, status=_UNPAID, text="credit balance"),
    _row(
        BILL,
        "DeepSeek, MiniMax, xAI, OpenRouter",
        f"{_GITHUB}/MiniMax-AI/MiniMax-M2/issues/62",
        status=_UNPAID,
        text=r"insufficient (?:balance|credit|funds)|(?:any|out of|all available) credits|spending limit|余额不足|欠费",
    ),
    # Accounts, keys, places.
    _row(
        ACCOUNT,
        "Anthropic, Groq, OpenAI",
        f"{_GITHUB}/anthropics/claude-code/issues/19028",
        status=_UNPAID,
        text=r"(?:organization|account)\b.{0,60}\b"
        r"(?:disabled|deactivated|suspended|restricted|locked|terminated)",
    ),
    _row(ACCOUNT, "OpenAI", _OPENAI, words="account_deactivated organization_restricted"),
    _row(ACCOUNT, "Zhipu", _ZHIPU, words="1110 1111 1112 1121 1313"),
    _row(ACCOUNT, "Google", _GOOGLE, words="CONSUMER_SUSPENDED CONSUMER_INVALID"),
    _row(KEY, "OpenAI", _OPENAI, words="invalid_api_key"),
    _row(KEY, "Anthropic", _ANTHROPIC, words="authentication_error"),
    _row(KEY, "Gemini", _GEMINI, words="API_KEY_INVALID ACCESS_TOKEN_EXPIRED CREDENTIALS_MISSING UNAUTHENTICATED"),
    _row(KEY, "Kimi", _KIMI, words="invalid_authentication_error"),
    _row(KEY, "DashScope", _DASHSCOPE, words="InvalidApiKey"),
    _row(KEY, "MiniMax", _MINIMAX, words="base_resp.1004 base_resp.2049"),
    _row(
        KEY,
        "Bedrock",
        _BEDROCK,
        words="InvalidClientTokenId UnrecognizedClientException ExpiredTokenException InvalidSignatureException",
    ),
    _row(
        KEY,
        "xAI, Gemini, Cohere",
        _COHERE,
        status=(400, 403, 404, 422),
        text=r"(?:incorrect|invalid|missing|no) api[ _-]?(?:key|token)"
        r"|api[ _-]?(?:key|token)\b.{0,40}\b(?:invalid|not valid|expired|revoked|disabled|not found)",
    ),
    _row(FORBIDDEN, "Google", _GOOGLE, words="SERVICE_DISABLED API_KEY_SERVICE_BLOCKED"),
    _row(PLACE, "OpenAI", _OPENAI, words="unsupported_country_region_territory"),
    _row(PLACE, "Gemini", _GEMINI, words="FAILED_PRECONDITION"),
    _row(
        PLACE,
        "OpenAI, Gemini",
        _OPENAI,
        status=(400, 403, 451),
        text=r"(?:location|country|region|territory)\b.{0,40}\bnot (?:supported|available)",
    ),
    # Models.
    _row(MODEL, "OpenAI", _OPENAI, words="model_not_found"),
    _row(MODEL, "Groq", f"{_GITHUB}/valentinfrlch/ha-llmvision/issues/324", words="model_decommissioned"),
    _row(MODEL, "Azure", f"{_GITHUB}/chatboxai/chatbox/issues/646", words="DeploymentNotFound"),
    _row(MODEL, "Copilot", "https://github.com/orgs/community/discussions/204236", words="model_not_supported"),
    _row(MODEL, "DashScope", _DASHSCOPE, words="ModelNotFound Model.AccessDenied"),
    _row(MODEL, "Bedrock", _BEDROCK, words="ResourceNotFoundException FTUFormNotFilled"),
    _row(MODEL, "Zhipu", _ZHIPU, words="1211 1220 1221 1222 1311"),
    _row(
        MODEL,
        "DeepSeek, Mistral, OpenRouter, Groq, Ollama",
        f"{_GITHUB}/continuedev/continue/issues/10166",
        status=(400, 403, 404, 410, 422),
        text=r"\bmodel\b.{0,120}\b(?:not found|not exist|doesn't exist|decommissioned|retired|discontinued)"
        r"|\bmodel\b.{0,120}\bno longer (?:supported|available)|invalid model\b|not a valid model|not deployed"
        r"|access to (?:the )?model",
    ),
    _row(
        MODEL,
        "Bedrock",
        f"{_GITHUB}/strands-agents/harness-sdk/issues/38",
        status=(400, 403),
        text=r"model identifier is invalid|on-demand throughput|model access is denied",
    ),
    _row(
        MODEL,
        "Ollama",
        f"{_GITHUB}/home-assistant/core/issues/139085",
        status=(500,),
        text=r"requires more system memory",
    ),
    # Lengths.
    _row(TOO_LONG, "OpenAI", _OPENAI, words="context_length_exceeded string_above_max_length"),
    _row(TOO_LONG, "llama.cpp", f"{_GITHUB}/ggml-org/llama.cpp/pull/15780", words="exceed_context_size_error"),
    _row(TOO_LONG, "Anthropic", _ANTHROPIC, words="request_too_large"),
    _row(TOO_LONG, "Zhipu", _ZHIPU, words="1261"),
    _row(TOO_LONG, "MiniMax", _MINIMAX, words="base_resp.1039"),
    _row(
        TOO_LONG,
        "TGI",
        f"{_GITHUB}/huggingface/text-generation-inference/blob/main/router/src/validation.rs",
        status=_INVALID,
        text=r"`inputs` (?:tokens|must have less)",
    ),
    _row(
        MAX_TOKENS,
        "OpenAI, Anthropic, Groq, Cohere, DeepSeek, Doubao, Scaleway",
        f"{_GITHUB}/ChatGPTNextWeb/NextChat/issues/3195",
        status=(400, 416, 422),
        text=r"max[ _](?:completion_|output_|new_)?tokens\b.{0,60}"
        r"(?:too large|must be less|must be <|less than|at most|exceed|above maximum|is limited|>)"
        r"|output tokens for|maximum output for|range of max_tokens",
    ),
    _row(
        TOO_LONG,
        "Anthropic, vLLM, SGLang, Gemini, Mistral, Bedrock, Cohere, llama.cpp",
        f"{_GITHUB}/BerriAI/litellm/blob/main/litellm/litellm_core_utils/exception_mapping_utils.py",
        status=_INVALID,
        text=r"prompt is too long|maximum (?:context|model) length|context (?:window|length|size|limit)"
        r"|input token count|too many (?:input )?tokens|too large for model|input is too long|maximum number of tokens"
        r"|reduce the length|while limit is|token limit",
    ),
    # Features that a model or server lacks.
    _row(MISSING, "OpenAI", f"{_GITHUB}/BerriAI/litellm/issues/12503", words="unsupported_value unsupported_parameter"),
    _row(
        MISSING,
        "OpenAI",
        f"{_GITHUB}/dottxt-ai/outlines/issues/844",
        status=(400,),
        text=r"invalid schema for response_format",
    ),
    _row(
        MISSING,
        "DeepSeek, xAI, Ollama, OpenRouter, vLLM, Mistral",
        f"{_GITHUB}/miaoxworld/NativeTavern/issues/83",
        status=(400, 404, 415, 422, 501),
        text=r"(?:not|n't|that) support\b|not (?:currently )?supported|unsupported|not enabled|only \d+ is allowed"
        r"|is not a multimodal model|at most 0 (?:image|audio|video)",
    ),
    _row(
        MISSING,
        "Anthropic, OpenAI, Gemini, vLLM",
        f"{_GITHUB}/vllm-project/vllm/issues/9986",
        status=(400, 422),
        text=r"extra inputs are not permitted|unrecognized request argument|unknown (?:parameter|name)\b"
        r"|cannot both be specified|--enable-auto-tool-choice|is deprecated for this model|cannot be combined with"
        r"|not compatible with|incompatible (?:with|request argument)"
        r"|too many optional parameters|compiled grammar is too large|too complex for compilation",
    ),
    # Failures that pass by themselves.
    _row(
        LIMIT,
        "OpenAI, Anthropic",
        _OPENAI,
        words="rate_limit_exceeded rate_limit_error slow_down overloaded_error overloaded server_overloaded",
    ),
    _row(LIMIT, "Groq", "https://console.groq.com/docs/flex-processing", words="capacity_exceeded"),
    _row(LIMIT, "Kimi", _KIMI, words="engine_overloaded_error rate_limit_reached_error"),
    _row(LIMIT, "Google", _GOOGLE, words="RESOURCE_EXHAUSTED RATE_LIMIT_EXCEEDED"),
    _row(LIMIT, "Zhipu", _ZHIPU, words="1302 1303 1305 1312"),
    _row(LIMIT, "MiniMax", _MINIMAX, words="base_resp.1002 base_resp.1041"),
    _row(
        LIMIT,
        "Hugging Face, llama.cpp",
        f"{_GITHUB}/huggingface/transformers/issues/23793",
        status=(400, 500, 502, 503),
        text=r"currently loading|loading model",
    ),
    _row(
        LIMIT,
        "Envoy",
        f"{_GITHUB}/vllm-project/aibrix/issues/1103",
        status=(500, 502, 503),
        text=r"no healthy upstream|upstream connect error",
    ),
    _row(LIMIT, "Mistral", f"{_GITHUB}/raycast/extensions/issues/31107", words="rate_limited"),
    _row(LIMIT, "Mistral", f"{_GITHUB}/continuedev/continue/issues/6185", text=r"service tier capacity exceeded"),
    _row(TIMEOUT, "MiniMax", _MINIMAX, words="base_resp.1001"),
    _row(FAILED, "MiniMax", _MINIMAX, words="base_resp.1000 base_resp.1024 base_resp.1033"),
    # Only the status is known. An HTML page comes from something in between.
    _row(ADDRESS, "Cloudflare", _CLOUDFLARE, status=(400, 403, 404), words="html"),
    _row(KEY, "RFC 9110", _RFC9110, status=(401,)),
    _row(BILL, "DeepSeek, OpenRouter", _DEEPSEEK, status=(402,)),
    _row(FORBIDDEN, "RFC 9110, Zhipu", _RFC9110, status=(403, 434)),
    _row(MODEL, "RFC 9110", _RFC9110, status=(404, 410)),
    _row(ADDRESS, "RFC 9110", _RFC9110, status=(*range(201, 400), 405, 407, 421, 426)),
    _row(MISSING, "RFC 9110", _RFC9110, status=(406, 415, 501)),
    _row(ACCOUNT, "Fireworks", _FIREWORKS, status=(412,)),
    _row(TOO_LONG, "RFC 9110", _RFC9110, status=(413,)),
    _row(PLACE, "RFC 7725", "https://www.rfc-editor.org/rfc/rfc7725", status=(451,)),
    _row(LIMIT, "RFC 6585, Groq, Anthropic", _GROQ, status=(429, 498, 503, 529)),
    _row(TIMEOUT, "RFC 9110, Cloudflare", _CLOUDFLARE, status=(408, 504, 522, 524)),
    _row(FAILED, "RFC 9110, Bedrock, Groq", _BEDROCK, status=(409, 424, 425, 499, *range(500, 600))),
)


def kind_of(status: int, words: Collection[str], text: str) -> RefusalKind:
    """Returns what a refusal means; `words` are casefolded."""
    return next((row.kind for row in TABLE if row.fits(status, words, text)), UNKNOWN)
