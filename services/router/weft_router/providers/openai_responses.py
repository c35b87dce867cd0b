"""OpenAI's Responses: typed events, one of which is the end."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.provider_entries import OpenAIResponsesEntry
from weft_router.providers import phrases
from weft_router.providers.answer import Answer
from weft_router.providers.failures import error_in_stream
from weft_router.providers.openai import TOOL_CHOICES, key_header, url_of
from weft_router.providers.port import unsupported

_ROLES = {chat_pb2.ROLE_SYSTEM: "system", chat_pb2.ROLE_USER: "user", chat_pb2.ROLE_ASSISTANT: "assistant"}
# Neither top_k nor a seed is among them: there is none, and the contract lets both be left out.
_NUMBERS = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"}
_FINISH_REASONS = {
    "completed": chat_pb2.FINISH_REASON_STOP,
    "max_output_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}


class Responses:
    """The format. Nothing is stored at the provider: each request tells the whole conversation."""

    continues_prefix = False

    def __init__(self, entry: OpenAIResponsesEntry) -> None:
        self._entry = entry
        self._url = url_of(entry, "responses")
        self.models_url = url_of(entry, "models")

    def headers(self, key: str) -> Mapping[str, str]:
        return key_header(self._entry, key)

    def url(self, _model: str) -> httpx.URL:
        return self._url

    def answer(self, _request: inference_pb2.GenerateRequest) -> "ResponsesAnswer":
        return ResponsesAnswer()

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Return the request's JSON body; see WireFormat."""
        if request.sampling.stop:
            raise unsupported("Responses have no stop texts; leave them out, or route to chat completions")
        phrases.refuse_penalties(request.sampling)
        said: dict[str, Any] = {
            "model": request.model,
            "input": [item for message in request.messages for item in _items(message)],
            "stream": True,
            "store": False,
        }
        said |= phrases.numbers(request.sampling, _NUMBERS)
        if request.tools:
            said["tools"] = [_tool(tool) for tool in request.tools]
            if choice := TOOL_CHOICES.get(request.tool_choice):
                said["tool_choice"] = choice
        if form := _format(request.response_format):
            said["text"] = {"format": form}
        return said


def _items(message: chat_pb2.Message) -> Iterator[dict[str, Any]]:
    if message.role == chat_pb2.ROLE_TOOL:
        output = phrases.text(message.parts)
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": output}
        return
    if message.role not in _ROLES:
        raise phrases.unknown_role(message)
    if message.parts:
        yield {"role": _ROLES[message.role], "content": _content(message)}
    for call in message.tool_calls:
        yield {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments_json or "{}",
        }


def _content(message: chat_pb2.Message) -> str | list[dict[str, Any]]:
    if message.role != chat_pb2.ROLE_USER or phrases.is_text(message.parts):
        return phrases.text(message.parts)
    return [
        {"type": "input_image", "image_url": phrases.image_url(part.image)}
        if part.HasField("image")
        else {"type": "input_text", "text": phrases.text([part])}
        for part in message.parts
    ]


def _tool(tool: chat_pb2.Tool) -> dict[str, Any]:
    # Strict by default, which refuses every schema with an optional field.
    said = {"type": "function", "name": tool.name, "description": tool.description, "strict": False}
    return said | {"parameters": phrases.parameters(tool) or {"type": "object", "properties": {}}}


def _format(wanted: chat_pb2.ResponseFormat) -> dict[str, Any] | None:
    match wanted.WhichOneof("format"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            name = wanted.json_schema.name or phrases.ANSWER
            return {"type": "json_schema", "name": name, "schema": phrases.answer_schema(wanted), "strict": True}
    return None


class ResponsesAnswer(Answer):
    """Events by their `type`; those not known here say nothing we want. The end is `response.completed`, or
    `response.incomplete` with a reason.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[int, int] = {}
        """Our number of a call by the provider's place of it among all its output."""
        self._untold: set[int] = set()
        """Calls of which no arguments came yet."""

    def event(self, event: dict[str, Any]) -> bool:
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                self.refused |= kind == "response.refusal.delta"
                self.said.text += event["delta"]
                self.said.token_count += 1
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.said.reasoning += event["delta"]
                self.said.token_count += 1
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                self.said.reasoning += "\n\n"
            case "response.function_call_arguments.delta":
                self._arguments(event["output_index"], event["delta"])
            case "response.output_item.added":
                self._item_began(event["output_index"], event["item"])
            case "response.output_item.done":
                self._item_ended(event["output_index"], event["item"])
            case "response.completed" | "response.incomplete":
                return self._over(event["response"])
            case "response.failed" | "error":
                error = event.get("response") or event
                raise error_in_stream({"error": error.get("error") or event | {"type": ""}})
        return False

    def _item_began(self, place: int, item: dict[str, Any]) -> None:
        if item["type"] != "function_call":
            return
        self._calls[place] = self.calls
        self._untold.add(place)
        self.said.tool_calls.add(index=self.calls, id=item["call_id"], name=item["name"])
        self.said.token_count += 1
        self.calls += 1

    def _arguments(self, place: int, arguments: str) -> None:
        self._untold.discard(place)
        self.said.tool_calls.add(index=self._calls[place], arguments_json=arguments)
        self.said.token_count += 1

    def _item_ended(self, place: int, item: dict[str, Any]) -> None:
        """Take a call's arguments from its end where they did not come in pieces."""
        if place in self._untold and (arguments := item.get("arguments")):
            self._arguments(place, arguments)

    def _over(self, response: dict[str, Any]) -> bool:
        self.raw_finish_reason = (response.get("incomplete_details") or {}).get("reason") or response["status"]
        if usage := response.get("usage"):
            self.report(_usage(usage))
        return True


def _usage(usage: dict[str, Any]) -> chat_pb2.Usage:
    read, written = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return chat_pb2.Usage(
        prompt_tokens=usage.get("input_tokens") or 0,
        completion_tokens=usage.get("output_tokens") or 0,
        cached_prompt_tokens=read.get("cached_tokens") or 0,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
    )
