"""Messages of a chat, as short as tests want them."""

from typing import Any

from weft.common.v1 import chat_pb2


def says(role: chat_pb2.Role.ValueType, text: str, **fields: Any) -> chat_pb2.Message:
    return chat_pb2.Message(role=role, parts=[chat_pb2.ContentPart(text=text)], **fields)


def user(text: str) -> chat_pb2.Message:
    return says(chat_pb2.ROLE_USER, text)
