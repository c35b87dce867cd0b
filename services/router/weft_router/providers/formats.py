"""The wire formats that the catalog's providers may speak, one line each; docs/extending.md says how to add one."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from weft_kit.catalog.providers import AnthropicEntry, GeminiEntry, HttpEntry, OpenAIEntry, OpenAIResponsesEntry
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.http.wire_format import WireFormat
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.responses import Responses

WIRE_FORMATS: Final[Mapping[type[HttpEntry], Callable[[Any], WireFormat]]] = {
    OpenAIEntry: ChatCompletions,
    OpenAIResponsesEntry: Responses,
    AnthropicEntry: Messages,
    GeminiEntry: GenerateContent,
}


def wire_format(entry: HttpEntry) -> WireFormat:
    """Returns the wire format of an entry's kind, with the entry's settings."""
    return WIRE_FORMATS[type(entry)](entry)
