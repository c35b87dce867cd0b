"""Sampling settings that a model is known to refuse, by its name: they are left out of its requests.

They are preferences, so an answer sampled without them still satisfies the request. Stop texts do not, but the router
applies those itself to every provider's answers. Settings that are not known here are passed on. The sources:

- OpenAI's guide on reasoning, its reference of `stop`, and its guides to GPT-5.1 and later ("temperature, top_p …
  are only supported … with reasoning effort set to none"); langchain-ai/open-swe#628, BerriAI/litellm#12503.
- xAI's guide on reasoning ("presencePenalty, frequencyPenalty and stop … not supported by reasoning models");
  lobehub/lobehub#7370, open-webui/open-webui#21266.
- Moonshot's reference of its models, from K2.5 on ("only 1 is allowed", whether they think or not);
  moona3k/macparakeet#1087, UKGovernmentBEIS/inspect_ai#5156.
- DeepSeek's guide to deepseek-reasoner ("Not Supported Parameters"; those it once refused, and never heeded);
  deepseek-ai/DeepSeek-R1#7, cline/cline#1348.
- Anthropic's migration guide (temperature or top_p, not both, from Opus 4.1 on; none of them from Opus 4.7 on) and its
  guide on extended thinking ("isn't compatible with temperature or top_k modifications … top_p between 1 and 0.95").
- Highest temperatures: theopenco/llmgateway#3268 (GLM), Moonshot's reference, SillyTavern/SillyTavern#4856 (Mistral).
- Gemini: vercel/ai#8943, google-gemini/cookbook#1290 ("Penalty is not enabled for this model").
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from weft.common.v1 import chat_pb2
from weft_router.providers.model_names import MISTRALS_OWN, holds, reasons

PENALTIES: Final = frozenset({"frequency_penalty", "presence_penalty"})
_DRAWING: Final = frozenset({"temperature", "top_p"})
_NONE: Final[frozenset[str]] = frozenset()

# These variants always reason, whatever the rest of their family does, and accept only their own effort.
_REASONS_ALWAYS: Final = re.compile(r"o[1-9]|gpt-5(?!\.)|gpt-5\.1-codex|gpt-[5-9](\.[0-9]+)?-(chat|pro)|gpt-6-astra")
_REASONS_ON_REQUEST: Final = re.compile(r"gpt-5\.[1-4](?![0-9])")
_GROK: Final = re.compile(r"grok-(3-mini|code|build|latest|[4-9])(?!.*non-reasoning)")
_DEEPSEEK_OR_KIMI: Final = re.compile(r"deepseek-reasoner|kimi-k(2\.[5-9]|[3-9])")

_HOTTEST: Final = (
    (re.compile(r"glm-|kimi-|moonshot-"), 1.0),
    (MISTRALS_OWN, 1.5),
)
_HOTTEST_OF_ALL: Final = 2.0

_CLAUDE_WITHOUT: Final = re.compile(r"claude-(opus-4-[7-9]|[a-z]+-[5-9])(?![0-9])")
_CLAUDE_ONE: Final = re.compile(r"claude-(opus-4-[1-9]|[a-z]+-4-[5-9])(?![0-9])")
_LOWEST_TOP_P: Final = 0.95  # with thinking
_GEMINI_WITH_PENALTIES: Final = re.compile(r"gemini-(1|2\.0)")


def of_chat(model: str, effort: object = None) -> frozenset[str]:
    """Returns the settings that a model behind one of OpenAI's formats refuses at this reasoning `effort`."""
    name = model.rpartition("/")[2].lower()
    if _GROK.match(name):
        return PENALTIES | {"stop"}
    if _DEEPSEEK_OR_KIMI.match(model):
        return PENALTIES | _DRAWING
    return _DRAWING | PENALTIES | {"stop"} if reasons(name) and _reasons_so(name, effort) else _NONE


def hottest(model: str) -> float:
    """Returns the highest temperature that a model behind one of OpenAI's formats accepts."""
    return next((highest for names, highest in _HOTTEST if names.match(model)), _HOTTEST_OF_ALL)


def of_claude(model: str, sampling: chat_pb2.SamplingParams, thinking: Mapping[str, Any]) -> frozenset[str]:
    """Returns the settings that Anthropic refuses for a model with this setting of `thinking`."""
    if holds(model, _CLAUDE_WITHOUT):
        return _DRAWING | {"top_k"}
    if thinking.get("type") in ("enabled", "adaptive"):
        low = sampling.HasField("top_p") and sampling.top_p < _LOWEST_TOP_P
        return frozenset({"temperature", "top_k", *(["top_p"] if low else [])})
    both = sampling.HasField("temperature") and sampling.HasField("top_p")
    return frozenset({"top_p"}) if both and holds(model, _CLAUDE_ONE) else _NONE


def of_gemini(model: str) -> frozenset[str]:
    """Returns the settings that Gemini refuses for a model."""
    is_newer = "gemini-" in model and not holds(model, _GEMINI_WITH_PENALTIES)
    return PENALTIES if is_newer else _NONE


def _reasons_so(name: str, effort: object) -> bool:
    if _REASONS_ALWAYS.match(name):
        return True
    if effort is None:
        return not _REASONS_ON_REQUEST.match(name)
    return effort != "none"
