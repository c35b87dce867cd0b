"""Parts of a request that all formats share."""

import json
import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.validation import json_values
from weft_router.providers.provider import ProviderError, Remedy, unsupported
from weft_router.providers.schemas.keywords import Schema
from weft_router.providers.schemas.tool_schema import object_schema

ANSWER = "answer"
"""Name for a schema without one."""

MOST_STATE_BYTES = 480 * 1024
"""Most bytes of state kept with a call: one event carries all of it, with the call's id and name."""
_JSON = re.compile("json", re.IGNORECASE)
_ONE_OBJECT = "Answer with one JSON object and nothing else: no text around it, no Markdown fence."
_JSON_ALONE = "Answer with JSON and nothing else: no text around it, no Markdown fence."


def text(parts: Iterable[chat_pb2.ContentPart]) -> str:
    """Returns the text of parts that must all be text.

    Raises:
        ProviderError: a part is not text.
    """
    texts = []
    for part in parts:
        if part.WhichOneof("part") != "text":
            raise unsayable("a content part is of a kind that cannot stand there; send text")
        texts.append(part.text)
    return "".join(texts)


def is_text(parts: Iterable[chat_pb2.ContentPart]) -> bool:
    return all(part.WhichOneof("part") == "text" for part in parts)


def refuse_images(messages: Iterable[chat_pb2.Message]) -> None:
    """Raises ProviderError (UNSUPPORTED) if there is an image among the parts."""
    if any(part.HasField("image") for message in messages for part in message.parts):
        raise unsupported("this provider takes no images; name a model alias whose provider does, or send text")


def base64(image: chat_pb2.Image) -> str:
    return b64encode(image.data).decode("ascii")


def image_url(image: chat_pb2.Image) -> str:
    """Returns the image's URL, or a data URL with the image itself."""
    return image.url if image.HasField("url") else f"data:{image.mime_type};base64,{base64(image)}"


def numbers(
    sampling: chat_pb2.SamplingParams,
    names: Mapping[str, str],
    refused: Collection[str] = (),
    fitted: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Returns the given numbers that are not `refused`, under the format's names; `names` maps Weft's to them.

    Values in `fitted` replace the given ones.
    """
    # Rounding to six digits restores numbers like 0.7 from the wire's single precision.
    return {
        theirs: fitted.get(ours, round(getattr(sampling, ours), 6))
        for ours, theirs in names.items()
        if sampling.HasField(ours) and ours not in refused  # type: ignore[arg-type]
    }


def schema(json_text: str, what: str) -> Any:
    """Returns the parsed JSON of a schema.

    Raises:
        ProviderError: it is not JSON.
    """
    try:
        return _read(json_text)
    except ValueError:
        raise unsayable(f"{what} is not JSON; send a JSON Schema") from None


def parameters(tool: chat_pb2.Tool) -> Schema:
    """Returns the schema of a tool's arguments; the tool need not have one."""
    text = tool.parameters_schema
    return object_schema(schema(text, f"the parameters of tool {tool.name}") if text else None)


def described(tool: chat_pb2.Tool) -> dict[str, Any]:
    """Returns a tool's name and description; some providers refuse an empty description."""
    return {"name": tool.name} | ({"description": tool.description} if tool.description else {})


def answer_schema(wanted: chat_pb2.ResponseFormat) -> Any:
    """Returns the schema of an answer; None if none is requested."""
    if not wanted.HasField("json_schema"):
        return None
    return schema(wanted.json_schema.schema_json, "the schema of the response format")


def form_in_words(wanted: chat_pb2.ResponseFormat) -> str:
    """Returns the words that ask a model for a format that its provider does not enforce; "" if none is requested."""
    match wanted.WhichOneof("format"):
        case "json_object":
            return _ONE_OBJECT
        case "json_schema":
            return f"{_JSON_ALONE} It has to be valid under this JSON Schema:\n\n{wanted.json_schema.schema_json}"
    return ""


def naming_json(request: inference_pb2.GenerateRequest) -> inference_pb2.GenerateRequest:
    """Returns the request; if it asks for one JSON object its messages mention JSON, as OpenAI requires."""
    if not request.response_format.HasField("json_object") or any(map(_names_json, request.messages)):
        return request
    return telling_form(request)


def telling_form(request: inference_pb2.GenerateRequest) -> inference_pb2.GenerateRequest:
    """Returns the request with its format in words at the end of the system prompt."""
    words = form_in_words(request.response_format)
    telling = inference_pb2.GenerateRequest()
    telling.CopyFrom(request)
    if telling.messages and telling.messages[0].role == chat_pb2.ROLE_SYSTEM:
        telling.messages[0].parts.add(text=f"\n\n{words}")
    else:
        telling.messages.insert(0, chat_pb2.Message(role=chat_pb2.ROLE_SYSTEM))
        telling.messages[0].parts.add(text=words)
    return telling


def _names_json(message: chat_pb2.Message) -> bool:
    return any(_JSON.search(part.text) for part in message.parts)


def arguments(call: chat_pb2.ToolCall) -> dict[str, Any]:
    """Returns a call's arguments as an object. All providers require one, but not all send one.

    Other empty values mean no arguments (PHP writes `[]`); any other value is put under the name `value`.
    """
    given = schema(call.arguments_json or "{}", f"the arguments of the call {call.id}")
    if isinstance(given, dict):
        return given
    return {} if given in (None, "", []) else {"value": given}


def arguments_text(call: chat_pb2.ToolCall) -> str:
    """Returns a call's arguments as the JSON text of an object, unchanged if it was one."""
    given = arguments(call)
    return call.arguments_json if call.arguments_json.lstrip().startswith("{") else json_text(given)


@lru_cache(256)
def source(*what: str) -> str:
    """Returns an identifier for the source of calls and of their state: a server, perhaps with a key and a model."""
    return sha256("\n".join(what).encode()).hexdigest()[:16]


def state(call: chat_pb2.ToolCall, provider: str, source: str) -> Any:
    """Returns the state that `source`, of the format `provider`, expects with a call; None if another source made it.

    Servers refuse signatures and encrypted thoughts of others, and fields that they do not know. Calls from before
    sources were kept count as its own.
    """
    try:
        kept = _read(call.provider_state or "{}")
    except ValueError:
        raise unsayable(f"the provider_state of the call {call.id} is not as it came; send it back unchanged") from None
    if not isinstance(kept, dict) or kept.get("source", source) != source:
        return None
    return kept.get(provider)


def kept(provider: str, value: Any, source: str) -> str:
    """Returns a call's state as `state` reads it; "" if it is too large or the gateway would not take it back."""
    try:
        text = json_text({provider: value} | ({"source": source} if source else {}))
        json_values.read(text, json_values.ARGUMENTS)
    except ValueError:
        return ""
    return text if len(text.encode()) <= MOST_STATE_BYTES else ""


class Room:
    """The remaining space for a call's state. If that is too large all of it is dropped: a part would be refused."""

    def __init__(self) -> None:
        self._left = MOST_STATE_BYTES

    def take(self, *values: Any) -> bool:
        """Takes space for values; returns whether there was enough. Once there was not, there never is again."""
        if self._left >= 0:
            self._left -= sum(len(value if isinstance(value, str) else json_text(value)) for value in values)
        return self._left >= 0

    @property
    def was_enough(self) -> bool:
        """Whether there was space for everything."""
        return self._left >= 0


def json_text(value: Any) -> str:
    """Returns a value as JSON. Raises ValueError for NaN and infinity, which JSON does not have."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_value(json_text: str) -> Any:
    """Returns the text parsed as JSON; None if it is not JSON."""
    try:
        return _read(json_text)
    except ValueError:
        return None


def _read(json_text: str) -> Any:
    """Returns parsed JSON that can be written again: without half a surrogate pair or NaN, and not too deep.

    Raises:
        ValueError: it is not such JSON.
    """
    return from_json(json_text, allow_inf_nan=False)


def system_texts(messages: Iterable[chat_pb2.Message]) -> Iterator[str]:
    """Yields the texts of the system messages, for formats that keep them separate; blank ones are left out."""
    texts = (text(message.parts) for message in messages if message.role == chat_pb2.ROLE_SYSTEM)
    return (said for said in texts if said.strip())


def merged(body: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `body` with `over` merged into it, nested objects included."""
    laid = dict(body)
    for name, value in over.items():
        below = laid.get(name)
        laid[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return laid


def unknown_role(message: chat_pb2.Message) -> ProviderError:
    return unsayable(f"role {message.role} is not known here")


def unsayable(message: str) -> ProviderError:
    """Returns the failure of a request that no provider would accept."""
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_REJECTED, message, Remedy.NOTHING)
