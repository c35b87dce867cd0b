"""Tokens are counted as each provider means its counts, whatever names and forms those come in."""

from typing import Any

import pytest

from weft_router.providers import counts
from weft_router.providers.counts import Counts, count

OPENAI = "https://platform.openai.com/docs/api-reference/chat/object#chat-object-usage"


@pytest.mark.parametrize(
    ("value", "counted"),
    [
        (12, 12),
        (12.0, 12),
        (14417.92, 14418),  # https://github.com/BerriAI/litellm/issues/28024
        ("12", 12),
        (" 12.0 ", 12),
        (0, 0),
        ("", None),
        ("many", None),
        ("9" * 400, None),
        ("nan", None),
        ("inf", None),
        (None, None),
        (True, None),
        ([12], None),
        ({}, None),
        (-1, None),
        (-0.5, None),
        ("-3", None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (2**63, None),
        (10**400, None),
    ],
)
def test_a_count_is_a_number_that_can_be_one(value: object, counted: int | None) -> None:
    assert count(value) == counted


def told(reader: Counts, *usages: object) -> tuple[int, ...] | None:
    """Return prompt, completion, cached, written, written for an hour, and reasoning, after these were told."""
    for usage in usages:
        reader.take(usage)
    found = reader.usage()
    return found and (
        found.prompt_tokens,
        found.completion_tokens,
        found.cached_prompt_tokens,
        found.cache_write_prompt_tokens,
        found.hour_cache_write_prompt_tokens,
        found.reasoning_tokens,
    )


def chat(prompt: object, completion: object, total: object = None, **fields: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total} | fields


def reasoning(tokens: object) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


def cached(tokens: object) -> dict[str, Any]:
    return {"prompt_tokens_details": {"cached_tokens": tokens}}


OPENAI_USAGES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    f"all of it, {OPENAI}": (chat(9, 6, 15, **cached(4), **reasoning(2)), (9, 6, 4, 0, 0, 2)),
    "no details": (chat(9, 6, 15, prompt_tokens_details=None, completion_tokens_details=None), (9, 6, 0, 0, 0, 0)),
    "details that are none": (chat(9, 6, prompt_tokens_details=5, completion_tokens_details=[]), (9, 6, 0, 0, 0, 0)),
    "xAI: reasoning beside, https://docs.x.ai/docs/key-information/consumption-and-rate-limits": (
        chat(12, 1, 399, **reasoning(386)),  # https://github.com/vercel/ai/pull/12425
        (12, 387, 0, 0, 0, 386),
    ),
    "xAI, cached too, https://github.com/Wei-Shaw/sub2api/issues/5771": (
        chat(10120, 1499, 14428, **cached(128), **reasoning(2809)),
        (10120, 4308, 128, 0, 0, 2809),
    ),
    "reasoning within, https://github.com/promptfoo/promptfoo/pull/9507": (
        chat(500, 500, 1000, **reasoning(200)),
        (500, 500, 0, 0, 0, 200),
    ),
    "more reasoning than completion, and no total": (chat(12, 1, **reasoning(386)), (12, 387, 0, 0, 0, 386)),
    "more reasoning than the total allows": (chat(12, 10, 22, **reasoning(386)), (12, 10, 0, 0, 0, 10)),
    "thoughts in the total alone, https://github.com/mozilla-ai/any-llm/issues/1290": (
        chat(20, 198, 623),
        (20, 603, 0, 0, 0, 405),
    ),
    "no completion, https://github.com/router-for-me/CLIProxyAPI/issues/5733": (
        chat(21, 0, 81, **reasoning(60)),
        (21, 60, 0, 0, 0, 60),
    ),
    "no prompt": (chat(None, 6, 15), (9, 6, 0, 0, 0, 0)),
    "a total that cannot be": (chat(9, 6, 10**9), (9, 6, 0, 0, 0, 0)),
    "a total that is too small": (chat(9, 6, 3), (9, 6, 0, 0, 0, 0)),
    "a prompt without what was cached": (chat(5, 6, 15, **cached(4)), (9, 6, 4, 0, 0, 0)),
    "DeepSeek, https://api-docs.deepseek.com/api/create-chat-completion": (
        chat(9, 6, 15, prompt_cache_hit_tokens=4, prompt_cache_miss_tokens=5),
        (9, 6, 4, 0, 0, 0),
    ),
    "DeepSeek, without the prompt": (
        {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5, "completion_tokens": 6},
        (9, 6, 4, 0, 0, 0),
    ),
    "Moonshot, https://platform.moonshot.ai/docs/api/chat": (chat(9, 6, 15, cached_tokens=4), (9, 6, 4, 0, 0, 0)),
    "OpenRouter, https://openrouter.ai/docs/use-cases/usage-accounting": (
        chat(9, 6, 15, cost=0.95, prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 2}),
        (9, 6, 4, 2, 0, 0),
    ),
    "LiteLLM before Anthropic, https://docs.litellm.ai/docs/completion/prompt_caching": (
        chat(9, 6, 15, cache_read_input_tokens=4, cache_creation_input_tokens=2),
        (9, 6, 4, 2, 0, 0),
    ),
    "LiteLLM's proxy, kept for an hour, https://github.com/BerriAI/litellm/blob/main/litellm/types/utils.py": (
        chat(
            *(9, 6, 15),
            prompt_tokens_details={
                "cached_tokens": 4,
                "cache_creation_tokens": 3,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
            },
        ),
        (9, 6, 4, 3, 2, 0),
    ),
    "Perplexity, https://docs.perplexity.ai/api-reference/chat-completions-post": (
        chat(9, 6, 15, citation_tokens=100, num_search_queries=3, search_context_size="low", reasoning_tokens=2),
        (9, 6, 0, 0, 0, 2),
    ),
    "Groq, https://console.groq.com/docs/api-reference#chat-create": (
        chat(9, 6, 15, queue_time=0.1, prompt_time=0.2, total_time=0.3),
        (9, 6, 0, 0, 0, 0),
    ),
    "Cohere, https://docs.cohere.com/reference/chat-stream": (
        {"billed_units": {"input_tokens": 5, "output_tokens": 5}, "tokens": {"input_tokens": 9, "output_tokens": 6}},
        (9, 6, 0, 0, 0, 0),
    ),
    "the other format's names, https://platform.openai.com/docs/api-reference/responses/object": (
        {
            "input_tokens": 9,
            "output_tokens": 6,
            "total_tokens": 15,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
        (9, 6, 4, 0, 0, 2),
    ),
    "as text and fractions": (chat("9", 6.0, "15", **cached("4"), **reasoning(2.0)), (9, 6, 4, 0, 0, 2)),
    "less than nothing": (chat(-9, 6, **cached(-4), **reasoning(-2)), (0, 6, 0, 0, 0, 0)),
    "more than fits": (chat(2**63, 6, 1e300), (0, 6, 0, 0, 0, 0)),
    "more cached than read": (chat(9, 6, 15, **cached(90)), (9, 6, 9, 0, 0, 0)),
    "more written than read": (chat(9, 6, 15, **cached(4), cache_creation_input_tokens=90), (9, 6, 4, 5, 0, 0)),
}


@pytest.mark.parametrize(("usage", "counted"), OPENAI_USAGES.values(), ids=OPENAI_USAGES)
def test_what_speaks_openais_formats_counts_in_its_own_way(usage: object, counted: tuple[int, ...]) -> None:
    assert told(counts.openai(), usage) == counted


ANTHROPIC = "https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching"
ANTHROPIC_USAGES: dict[str, tuple[list[object], tuple[int, ...]]] = {
    f"the cache beside, {ANTHROPIC}": (
        [
            {"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1},
            {"output_tokens": 6},
        ],
        (127, 6, 100, 20, 0, 0),
    ),
    f"written for an hour, {ANTHROPIC}#1-hour-cache-duration": (
        [
            {
                "input_tokens": 7,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
                "output_tokens": 6,
            }
        ],
        (37, 6, 0, 30, 20, 0),
    ),
    "written, told by its parts alone": (
        [{"input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 20}, "output_tokens": 6}],
        (27, 6, 0, 20, 20, 0),
    ),
    "the prompt told at the end, https://github.com/zai-org/GLM-5/issues/139": (
        [{"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 14, "output_tokens": 6}],
        (14, 6, 0, 0, 0, 0),
    ),
    "the prompt told at the beginning, and nothing at the end": (
        [{"input_tokens": 14, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 6}],
        (14, 6, 0, 0, 0, 0),
    ),
    "nothing written, and said so at the end, https://docs.anthropic.com/en/docs/test-and-evaluate/strengthen-guardrails/"
    "handle-streaming-refusals": (
        [{"input_tokens": 14, "output_tokens": 1}, {"output_tokens": 0}],
        (14, 0, 0, 0, 0, 0),
    ),
    "nulls, https://github.com/karthink/gptel/pull/1331": (
        [{"input_tokens": 14, "cache_read_input_tokens": None, "cache_creation": None}, {"output_tokens": 6}, None],
        (14, 6, 0, 0, 0, 0),
    ),
    "tools of the server": (
        [{"input_tokens": 14, "output_tokens": 6, "server_tool_use": {"web_search_requests": 3}}],
        (14, 6, 0, 0, 0, 0),
    ),
    "less than nothing": ([{"input_tokens": 14, "output_tokens": 6}, {"output_tokens": -2}], (14, 6, 0, 0, 0, 0)),
}


@pytest.mark.parametrize(("usages", "counted"), ANTHROPIC_USAGES.values(), ids=ANTHROPIC_USAGES)
def test_what_speaks_anthropics_format_counts_in_its_own_way(usages: list[object], counted: tuple[int, ...]) -> None:
    assert told(counts.anthropic(), *usages) == counted


GEMINI = "https://ai.google.dev/api/generate-content#UsageMetadata"
GEMINI_USAGES: dict[str, tuple[list[object], tuple[int, ...]]] = {
    f"thoughts beside, {GEMINI}": (
        [
            {
                "promptTokenCount": 20,
                "toolUsePromptTokenCount": 5,
                "cachedContentTokenCount": 4,
                "candidatesTokenCount": 198,
                "thoughtsTokenCount": 405,
                "totalTokenCount": 628,
            }
        ],
        (25, 603, 4, 0, 0, 405),
    ),
    "totals that grow, and lack what was told before": (
        [
            {"promptTokenCount": 20, "candidatesTokenCount": 3},
            {"candidatesTokenCount": 6},
            {"promptTokenCount": 20, "totalTokenCount": 35, "thoughtsTokenCount": 9},
        ],
        (20, 15, 0, 0, 0, 9),
    ),
    "no prompt": ([{"candidatesTokenCount": 6, "thoughtsTokenCount": 9, "totalTokenCount": 35}], (20, 15, 0, 0, 0, 9)),
    "a blocked prompt": ([{"promptTokenCount": 20, "totalTokenCount": 20}], (20, 0, 0, 0, 0, 0)),
    "as text": ([{"promptTokenCount": "20", "candidatesTokenCount": 6.0}], (20, 6, 0, 0, 0, 0)),
}


@pytest.mark.parametrize(("usages", "counted"), GEMINI_USAGES.values(), ids=GEMINI_USAGES)
def test_gemini_counts_in_its_own_way(usages: list[object], counted: tuple[int, ...]) -> None:
    assert told(counts.gemini(), *usages) == counted


@pytest.mark.parametrize("nothing", [None, [], "5", 5, {}, chat(0, 0, 0), chat(None, None), chat(-1, "x"), {"cost": 1}])
@pytest.mark.parametrize("reader", [counts.openai, counts.anthropic, counts.gemini])
def test_counts_that_say_nothing_are_as_if_none_had_come(reader: Any, nothing: object) -> None:
    assert told(reader(), nothing) is None


@pytest.mark.parametrize(
    "usages",
    [
        [None, None, chat(9, 6, 15)],  # https://platform.openai.com/docs/api-reference/chat/create, include_usage
        [chat(9, 2, 11), chat(9, 4, 13), chat(9, 6, 15)],  # https://github.com/ogx-ai/ogx/issues/5122
        [chat(9, 8, 17), chat(9, 6, 15)],
        [chat(9, 6, 15), chat(0, 0, 0)],
        [chat(9, 6, 15), None],
    ],
)
def test_of_counts_that_are_told_again_the_last_that_say_something_hold(usages: list[object]) -> None:
    assert told(counts.openai(), *usages) == (9, 6, 0, 0, 0, 0)
