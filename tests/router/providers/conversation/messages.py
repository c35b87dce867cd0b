"""Messages as clients send them, and the bodies that providers are sent."""

from typing import Any

from tests.router.chat import says
from tests.router.wire_formats import FORMATS

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2

MISTRAL = "mistral-large-latest"


def calls(*ids: str, name: str = "look", arguments: str = "{}") -> chat_pb2.Message:
    made = [chat_pb2.ToolCall(id=call_id, name=name, arguments_json=arguments) for call_id in ids]
    return chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=made)


def result(call_id: str, text: str) -> chat_pb2.Message:
    parts = [chat_pb2.ContentPart(text=text)] if text else []
    return chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id=call_id, parts=parts)


def assistant(*texts: str) -> chat_pb2.Message:
    parts = [chat_pb2.ContentPart(text=text) for text in texts]
    return chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, parts=parts)


def system(text: str) -> chat_pb2.Message:
    return says(chat_pb2.ROLE_SYSTEM, text)


def body(kind: str, *messages: chat_pb2.Message, model: str = "m") -> dict[str, Any]:
    return dict(FORMATS[kind].body(inference_pb2.GenerateRequest(model=model, messages=messages)))


def chat(*messages: chat_pb2.Message, model: str = "m") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body("openai", *messages, model=model)["messages"]
    return found
