"""An answer with calls, and the turn after it: what the answer brought, and what its provider is shown of it."""

import json
from typing import Any

from tests.router.chat import says, user

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import AnthropicEntry, GeminiEntry, OpenAIEntry, OpenAIResponsesEntry
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.http.wire_format import WireFormat
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.responses import Responses
from weft_router.providers.stream_reader import StreamReader


def chat_format(base_url: str = "https://provider.test/v1") -> ChatCompletions:
    return ChatCompletions(OpenAIEntry.model_validate({"kind": "openai", "base_url": base_url}))


def anthropic_format(base_url: str = "https://api.anthropic.com/v1") -> Messages:
    return Messages(AnthropicEntry.model_validate({"kind": "anthropic", "base_url": base_url}))


CHAT, ANTHROPIC = chat_format(), anthropic_format()
GEMINI = GenerateContent(GeminiEntry.model_validate({"kind": "gemini"}))
RESPONSES = Responses(OpenAIResponsesEntry.model_validate({"kind": "openai_responses"}))


def answered(form: WireFormat, *events: object, model: str = "m") -> list[chat_pb2.ToolCall]:
    """Returns the calls of an answer."""
    reading, said = StreamReader(form.answer(inference_pb2.GenerateRequest(model=model))), AnswerSoFar()
    body = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    for step in [*reading.read(body.encode()), *([] if reading.is_over else reading.end())]:
        if not isinstance(step, (inference_pb2.Finished, chat_pb2.Usage, inference_pb2.Admitted)):
            said.add(step)
    return said.tool_calls


def next_body(form: WireFormat, calls: list[chat_pb2.ToolCall], text: str = "", model: str = "m") -> dict[str, Any]:
    """Returns the body of the turn after."""
    turn = says(chat_pb2.ROLE_ASSISTANT, text, tool_calls=calls)
    results = [says(chat_pb2.ROLE_TOOL, "r", tool_call_id=call.id) for call in calls]
    return dict(form.body(inference_pb2.GenerateRequest(model=model, messages=[user("a"), turn, *results])))


def chunk(finish_reason: str | None = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def call(index: int = 0, **fields: object) -> dict[str, object]:
    return {"index": index, "id": f"c{index}", "function": {"name": "look", "arguments": "{}"}, **fields}


def chat_calls(*chunks: object, model: str = "m", form: WireFormat = CHAT) -> list[chat_pb2.ToolCall]:
    return answered(form, *chunks, chunk("tool_calls"), "[DONE]", model=model)


def chat_turn(calls: list[chat_pb2.ToolCall], model: str = "m", form: WireFormat = CHAT) -> dict[str, Any]:
    turn: dict[str, Any] = next_body(form, calls, model=model)["messages"][1]
    return turn


def gemini_calls(*parts: dict[str, object], model: str = "m") -> list[chat_pb2.ToolCall]:
    return answered(GEMINI, {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}, model=model)
