"""Pieces of calls as servers of chat completions send them, and the calls that they are joined into."""

import json
from collections.abc import Sequence
from typing import Any

from weft.common.v1 import chat_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.openai.chat_answer import ChatAnswer

DOOR = '{"k": "door"}'
LAMP = '{"k": "lamp"}'


LOOKUP = ("lookup", DOOR)


def piece(arguments: Any = "", *, name: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name is not None else {})
    return {"type": "function", "function": function} | fields


def read(*chunks: Sequence[dict[str, Any]], tools: Sequence[str] = ()) -> list[chat_pb2.ToolCall]:
    """Each chunk holds pieces of calls."""
    return joined([{"tool_calls": list(chunk)} for chunk in chunks], tools)


def joined(deltas: Sequence[dict[str, Any]], tools: Sequence[str] = ()) -> list[chat_pb2.ToolCall]:
    answer, said = ChatAnswer(tools), AnswerSoFar()
    for delta in deltas:
        answer.read(json.dumps({"id": "x1", "choices": [{"index": 0, "delta": delta}]}))
        if news := answer.take():
            said.add(news)
    answer.read(json.dumps({"id": "x1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}))
    answer.finish()
    if news := answer.take():
        said.add(news)
    return said.tool_calls


def called(calls: Sequence[chat_pb2.ToolCall]) -> list[tuple[str, str]]:
    return [(call.name, call.arguments_json) for call in calls]
