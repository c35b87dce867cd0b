"""The four formats, each as one provider of it has it."""

from weft_kit.catalog.providers import (
    AnthropicEntry,
    GeminiEntry,
    OpenAIEntry,
    OpenAIResponsesEntry,
)
from weft_router.providers.anthropic import Messages
from weft_router.providers.gemini import GenerateContent
from weft_router.providers.openai import ChatCompletions
from weft_router.providers.openai_responses import Responses
from weft_router.providers.wire_format import WireFormat

BASE = "https://provider.test/v1"
FORMATS: dict[str, WireFormat] = {
    "openai": ChatCompletions(OpenAIEntry.model_validate({"kind": "openai", "base_url": BASE})),
    "responses": Responses(OpenAIResponsesEntry.model_validate({"kind": "openai_responses", "base_url": BASE})),
    "anthropic": Messages(AnthropicEntry.model_validate({"kind": "anthropic"})),
    "gemini": GenerateContent(GeminiEntry.model_validate({"kind": "gemini"})),
}
