"""Providers reached by HTTP, of every kind, that ask a scripted server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.router import recorded
from tests.router.chat import user
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import AnthropicEntry, GeminiEntry, HttpEntry, OpenAIEntry, OpenAIResponsesEntry
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.http.provider import HttpProvider
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.responses import Responses
from weft_router.providers.provider import ProviderError
from weft_router.providers.refusals.errors import ProviderAccess

ACCESS = ProviderAccess("sk-secret", "providers.p.api_key_env: the key in P_KEY")
KINDS = {
    "openai": (OpenAIEntry, ChatCompletions),
    "openai_responses": (OpenAIResponsesEntry, Responses),
    "anthropic": (AnthropicEntry, Messages),
    "gemini": (GeminiEntry, GenerateContent),
}
TEXT = Reply(content_type=EVENTS, body=recorded.raw("openai-text"))


def at(base_url: str, kind: str = "openai", **settings: object) -> HttpProvider:
    entry_type, wire_format = KINDS[kind]
    entry: HttpEntry = entry_type.model_validate({"kind": kind, "base_url": base_url} | settings)
    return HttpProvider(entry, wire_format(entry), ACCESS)  # type: ignore[arg-type]


@asynccontextmanager
async def on(scripted: ScriptedServer, kind: str = "openai", **settings: object) -> AsyncIterator[HttpProvider]:
    async with scripted.running() as base_url, at(base_url, kind, **settings) as provider:
        yield provider


def asking(**fields: Any) -> inference_pb2.GenerateRequest:
    return inference_pb2.GenerateRequest(**({"model": "m-1", "messages": [user("Hi")]} | fields))


async def answer(provider: HttpProvider, request: inference_pb2.GenerateRequest | None = None) -> recorded.Whole:
    async with asyncio.timeout(20), provider.stream(request or asking(), 5) as steps:
        return recorded.Whole([step async for step in steps])


async def failure(provider: HttpProvider, request: inference_pb2.GenerateRequest | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await answer(provider, request)
    return raised.value
