"""What is known about a model from its name. Models with other names are called without special rules.

A provider's names for its own models are matched as it writes them. Other servers of open models use other forms
(`org/Name`, `name:7b`) and accept what their own software accepts. The sources:

- OpenAI: its guides to reasoning, to structured outputs ("Supported schemas": the root is an object), to each model.
- Mistral: its reference; anon-kode#53 (dnakov, `stream_options`).
- DeepSeek: api-docs.deepseek.com/guides/thinking_mode; llm-exe/llm-exe#662 ("This response_format type is unavailable
  now"); tickernelz/opencode-mem#253, cloudwego/eino#994 ("Thinking mode does not support this tool_choice").
- Kimi: platform.moonshot.ai; can1357/oh-my-pi#1077 and simstudioai/sim#5716 ("tool_choice 'required' is incompatible
  with thinking enabled"), UKGovernmentBEIS/inspect_ai#5152 (K3 takes both), mnfst/modelparams.dev#168 (K2.7 always
  thinks; a stop text has 32 bytes), MoonshotAI/kimi-cli#1773 and #2531 (names of tools).
- Claude: platform.claude.com/docs/en/build-with-claude/structured-outputs (from 4.5 on), …/models/opus-5-5 and
  …/models/fable-5-1 ("Forced tool use is not supported"), withceleste/celeste-python#393 (Fable 5 takes it);
  langchain-ai/langchain-aws#1141 and #1151 (thinking and a forced call, refused together up to 4.7).
- Gemini: ai.google.dev/gemini-api/docs/structured-output and …/thought-signatures.
"""

import re
from typing import Final

_SEARCHED = 256
"""How many characters of a name are searched. A catalog's name may have any length, and is searched several times per
call."""


def holds(model: str, pattern: re.Pattern[str]) -> bool:
    """Returns whether a pattern occurs anywhere in a name."""
    return pattern.search(model, 0, _SEARCHED) is not None


# OpenAI ---------------------------------------------------------------------------------------------------------------

OPENAI: Final = re.compile(r"(ft:)?(gpt-(?!oss)|chatgpt-|o[1-9](?![0-9]))")
"""OpenAI's models, which accept only an object as the schema of an answer."""
NEEDS_COMPLETION_TOKENS: Final = re.compile(r"(o[1-9]|gpt-[5-9])(?![0-9])")
"""Models that need `max_completion_tokens` and refuse `max_tokens`, the only field that other servers know."""
_ANSWERS_AT_ONCE: Final = re.compile(r"gpt-5-chat")


def reasons(model: str) -> bool:
    """Returns whether it is one of OpenAI's models that reason. Others answer "Encrypted content is not supported"."""
    return model.startswith("codex-") or bool(
        NEEDS_COMPLETION_TOKENS.match(model) and not _ANSWERS_AT_ONCE.match(model)
    )


# Other servers of OpenAI's format -------------------------------------------------------------------------------------

MISTRALS_OWN: Final = re.compile(
    r"(open-(mistral|mixtral)-|(mistral|magistral|ministral|codestral|devstral|pixtral|voxtral)-.*-?(latest|[0-9]{4})$)"
)
"""Mistral's own names for its models. Its API refuses fields that it does not know."""
MISTRAL: Final = re.compile(r"mi[sx]tral|(?:mini|magi|code|dev|vox)stral|pixtral", re.IGNORECASE)
"""Mistral's models on any server: their templates require ids of nine letters and digits."""
STRICT_TEMPLATE: Final = re.compile(rf"{MISTRAL.pattern}|gemma|qwen", re.IGNORECASE)
"""Models whose chat templates require at most one system message, which comes first, and user and assistant in turn."""
DEMANDS_REASONING: Final = re.compile(
    r"kimi-(?:k2[.-]?(?:[5-9]|thinking)|k[3-9]|for-coding)|deepseek-(?:reasoner|v[4-9])", re.IGNORECASE
)
"""Models that refuse a call without its reasoning, even one that another model made, or made without reasoning."""
WITHOUT_SCHEMAS: Final = re.compile(r"deepseek-(chat|reasoner|v[0-9].*|flash)")
"""DeepSeek's own names for models that accept no schema of an answer."""
THINKS_OR_MUST_CALL: Final = re.compile(r"deepseek-v[4-9]|kimi-k2\.[56](?![0-9])")
"""Models that think unless told not to, and cannot be forced to call a tool while they do."""
MOONSHOTS_OWN: Final = re.compile(r"kimi-|moonshot-")
"""Moonshot's own names for its models. Its API refuses stop texts of more than 32 bytes, tool names that do not begin
with a letter, and schemas that are not in its flavor."""

# Claude ---------------------------------------------------------------------------------------------------------------

CLAUDE_WITHOUT_FORMAT: Final = re.compile(r"claude-([23]|instant|4-|(sonnet|opus)-4(?!-[5-9](?![0-9])))")
"""Models from before structured outputs."""
CLAUDE_NEVER_MUST_CALL: Final = re.compile(r"claude-((fable|mythos)-5-1|(opus|sonnet)-5-5)(?![0-9])")
"""Models that always think and cannot be forced to call a tool."""
CLAUDE_ADAPTS_OR_MUST_CALL: Final = re.compile(r"claude-(opus|sonnet)-4-[67](?![0-9])")
"""Models that cannot be forced to call a tool while their thinking is adaptive."""

# Gemini ---------------------------------------------------------------------------------------------------------------

GEMINI_BEFORE_3: Final = re.compile(r"gemini-[12](?![0-9])")
"""Models that enforce no response format if there are tools."""
GEMINI_SIGNS: Final = re.compile(r"(models/)?gemini-3")
"""Models that refuse a turn whose first call has no signature."""
