"""What models refuse of a request's sampling: it is left out, and the record says so.

The sources stand beside each model.
"""

from typing import Any

import pytest
from tests.router import recorded
from tests.router.harness import Harness, asking
from tests.router.providers.http.harness import KINDS
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.joblog import JobLog

ALL = chat_pb2.SamplingParams(
    temperature=0, top_p=0.9, top_k=4, frequency_penalty=0.5, presence_penalty=0.5, seed=7, max_tokens=50, stop=["END"]
)
NAMES = {
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "stop", "random_seed",
    "stop_sequences", "topP", "topK", "frequencyPenalty", "presencePenalty", "stopSequences",
}  # fmt: skip
WIDELY = {"temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop"}


def told(kind: str, model: str, sampling: chat_pb2.SamplingParams = ALL, **extra_body: Any) -> set[str]:
    """Returns the settings that a model is told."""
    entry_type, wire_format = KINDS[kind]
    settings = {"kind": kind, "base_url": "https://provider.test/v1", "extra_body": extra_body}
    format_ = wire_format(entry_type.model_validate(settings))  # type: ignore[arg-type]
    said = format_.body(inference_pb2.GenerateRequest(model=model, sampling=sampling))
    return NAMES & said.get("generationConfig", said).keys()


@pytest.mark.parametrize(
    ("model", "extra_body", "sent"),
    [
        ("gpt-4o-mini", {}, WIDELY),
        ("gpt-4.1", {}, WIDELY),
        ("my-deployment", {}, WIDELY),
        ("gpt-oss-120b", {}, WIDELY),
        # langchain-ai/open-swe#628, BerriAI/litellm#12503, openai/openai-python#2072, langchain-ai/langchain#26433
        *((model, {}, {"seed"}) for model in ("o1", "o1-mini", "o3-mini-2025-01-31", "o4-mini", "openai/o3")),
        # NVIDIA-NeMo/Guardrails#1512, huggingface/smolagents#1671, BerriAI/litellm#15244
        *((model, {}, {"seed"}) for model in ("gpt-5", "gpt-5-mini", "gpt-5-nano-2025-08-07", "gpt-5-pro")),
        ("gpt-5-chat-latest", {}, WIDELY),
        # OpenAI's guides to these models, and BerriAI/litellm#28662: what they take hangs on the effort.
        ("gpt-5.1", {}, WIDELY),
        ("gpt-5.2", {"reasoning_effort": "none"}, WIDELY),
        ("gpt-5.2", {"reasoning_effort": "low"}, {"seed"}),
        ("gpt-5.5", {}, {"seed"}),
        ("gpt-5.5", {"reasoning_effort": "none"}, WIDELY),
        ("gpt-5.1-codex", {}, {"seed"}),
        ("gpt-5.2-chat-latest", {}, {"seed"}),
        ("gpt-5.4-pro", {}, {"seed"}),
        ("gpt-6-astra", {}, {"seed"}),
        # lobehub/lobehub#7370, ChatGPTNextWeb/NextChat#6593, open-webui/open-webui#21266
        *((model, {}, {"temperature", "top_p", "seed"}) for model in ("grok-3-mini", "grok-4-0709", "grok-4.20")),
        # xAI speaks of models that reason.
        *((model, {}, WIDELY) for model in ("grok-3", "grok-4-fast-non-reasoning", "grok-4.20-non-reasoning")),
        # deepseek-ai/DeepSeek-R1#7, cline/cline#1348; its guide, "Not Supported Parameters"
        ("deepseek-reasoner", {}, {"seed", "stop"}),
        ("deepseek-chat", {}, WIDELY),
        # Its guide to thinking: "will not trigger an error", in V4
        ("deepseek-v4-pro", {}, WIDELY),
        # Other servers of the open model have its settings: github.com/deepseek-ai/DeepSeek-R1, "Usage Recommendations"
        *((model, {}, WIDELY) for model in ("deepseek-r1:14b", "deepseek-r1-distill-llama-70b")),
        # UKGovernmentBEIS/inspect_ai#5156 (whether it thinks or not), moona3k/macparakeet#1087
        *((model, {}, {"seed", "stop"}) for model in ("kimi-k2.5", "kimi-k2.7-code", "kimi-k3", "kimi-k3.1-pro")),
        ("kimi-k2-0905-preview", {}, WIDELY),
        ("moonshotai/Kimi-K2.5", {}, WIDELY),  # another server's name for it
        # Mistral's reference (random_seed), langchain-ai/langchain-azure#82
        ("mistral-large-latest", {}, WIDELY - {"seed"} | {"random_seed"}),
        ("codestral-2508", {}, WIDELY - {"seed"} | {"random_seed"}),
        ("mistral-nemo:12b", {}, WIDELY),  # Ollama's name for it
    ],
)
def test_a_model_of_chat_completions_is_told_what_it_takes(
    model: str, extra_body: dict[str, Any], sent: set[str]
) -> None:
    assert told("openai", model, **extra_body) == sent


@pytest.mark.parametrize(
    ("model", "extra_body", "sent"),
    [
        ("gpt-4o", {}, {"temperature", "top_p"}),
        ("gpt-5-mini", {}, set()),
        ("gpt-5.2", {"reasoning": {"effort": "high"}}, set()),
        ("gpt-5.2", {"reasoning": None}, {"temperature", "top_p"}),
    ],
)
def test_a_model_of_responses_is_told_what_it_takes(model: str, extra_body: dict[str, Any], sent: set[str]) -> None:
    """Responses have neither stop texts nor penalties nor a seed, by their reference."""
    assert told("openai_responses", model, **extra_body) == sent


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        ("claude-sonnet-4-20250514", {}, {"temperature", "top_p", "top_k"}),
        ("claude-opus-4-20250514", {}, {"temperature", "top_p", "top_k"}),
        # BerriAI/litellm#15097, chatboxai/chatbox#2670, skydiscover-ai/skydiscover#15
        *(
            (f"claude-{name}", {}, {"temperature", "top_k"})
            for name in ("opus-4-1", "sonnet-4-5-20250929", "sonnet-4-6")
        ),
        # aws-samples/bedrock-chat#1102 and Anthropic's guide to what is new in Opus 4.7
        *((f"claude-{name}", {}, set()) for name in ("opus-4-7", "opus-5", "sonnet-5-5", "haiku-5-5")),
        # Anthropic's guide to extended thinking, "Feature compatibility"
        ("claude-sonnet-4-0", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, set()),
    ],
)
def test_claude_is_told_what_it_takes(model: str, thinking: dict[str, Any], sent: set[str]) -> None:
    assert told("anthropic", model, **thinking) - {"stop_sequences"} == sent


def test_a_nucleus_that_goes_with_thinking_is_told() -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert told("anthropic", "claude-sonnet-4-0", chat_pb2.SamplingParams(top_p=0.97), **thinking) == {"top_p"}


@pytest.mark.parametrize(("model", "takes"), [("gemini-2.0-flash", True), ("gemini-2.5-flash", False)])
def test_gemini_is_told_penalties_where_it_has_them(model: str, takes: bool) -> None:  # noqa: FBT001
    """vercel/ai#8943, google-gemini/cookbook#1290: "Penalty is not enabled for this model"."""
    assert ({"frequencyPenalty", "presencePenalty"} <= told("gemini", model)) is takes


@pytest.mark.parametrize(("seed", "sent"), [(7, 7), (-1, -1), (2**31, 0), (2**40 + 5, 5), (-(2**31) - 1, 2**31 - 1)])
def test_a_seed_that_gemini_cannot_read_is_folded_into_one(seed: int, sent: int) -> None:
    """Its reference: `seed` is an integer of 32 bits."""
    entry_type, wire_format = KINDS["gemini"]
    asked = inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(seed=seed))
    format_ = wire_format(entry_type.model_validate({"kind": "gemini"}))  # type: ignore[arg-type]

    assert format_.body(asked)["generationConfig"] == {"seed": sent}


CATALOG = """
[providers.asked]
kind = "openai"
base_url = "{url}"
[models.default]
routes = [{{ provider = "asked", model = "{model}" }}]
"""


@pytest.mark.parametrize(
    ("model", "left_out"),
    [("gpt-4o", "top_k"), ("o3-mini", "temperature, top_p, top_k, frequency_penalty, presence_penalty")],
)
async def test_the_record_says_what_a_model_was_asked_without(
    joblog: JobLog, nats_url: str, tmp_path: Any, model: str, left_out: str
) -> None:
    harness = Harness(joblog, nats_url, tmp_path)
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=recorded.raw("openai-text")))
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(url=url, model=model))
        async with harness.routing():
            done = await harness.done(await harness.submit(asking(sampling=ALL)))

    because = f"the only route; asked without {left_out}, which its model does not take"
    assert done.attempts[0].chosen_because == because
