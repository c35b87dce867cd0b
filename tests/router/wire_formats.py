"""The four formats, each as one provider of it has it."""

from weft_kit.catalog.providers import (
    AnthropicEntry,
    GeminiEntry,
    OpenAIEntry,
    OpenAIResponsesEntry,
)
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.http.wire_format import WireFormat
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.responses import Responses

BASE = "https://provider.test/v1"
FORMATS: dict[str, WireFormat] = {
    "openai": ChatCompletions(OpenAIEntry.model_validate({"kind": "openai", "base_url": BASE})),
    "responses": Responses(OpenAIResponsesEntry.model_validate({"kind": "openai_responses", "base_url": BASE})),
    "anthropic": Messages(AnthropicEntry.model_validate({"kind": "anthropic"})),
    "gemini": GenerateContent(GeminiEntry.model_validate({"kind": "gemini"})),
}
