"""Checks requests from the wire field by field and converts them to the service's own types."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2 as pb
from weft_inference.engines.engine import (
    SCHEMA_FIELD,
    Capability,
    Description,
    EngineRequest,
    Role,
    Sampling,
    Turn,
)
from weft_kit.rpc.errors import InvalidFields, Unsupported
from weft_kit.validation.fields import Violation, refuse
from weft_kit.validation.json_schemas import read_schema
from weft_kit.validation.json_values import BadJson

MAX_TEXTS: Final = 1024
MAX_DOCUMENTS: Final = 256
MAX_COMPARED: Final = 64
MAX_TEXT_LENGTH: Final = 200_000
_MAX_STOPS = 8
_MAX_STOP_LENGTH = 64
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_ROLES: Mapping[int, Role] = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
# field → lowest, highest, whether the lowest itself is allowed
_RANGES: Mapping[str, tuple[float, float, bool]] = {
    "temperature": (0, 2, True),
    "top_p": (0, 1, False),
    "top_k": (1, 2**31, True),
    "max_tokens": (1, 2**31, True),
    "frequency_penalty": (-2, 2, True),
    "presence_penalty": (-2, 2, True),
}
_REFUSALS: Mapping[Capability, str] = {
    "prefix": "cannot continue a prefix; ask for the whole answer",
    "json": "cannot hold an answer to a form; leave response_format out",
    "tools": "cannot call tools; leave them out, or ask a provider that can",
}


def _problems(request: pb.GenerateRequest, engine: Description) -> Iterator[Violation]:
    yield from _model_problems(request, engine)
    yield from _message_problems(request)
    yield from _sampling_problems(request.sampling)
    yield from _tool_problems(request)
    yield from _format_problems(request.response_format)


def read_generation(request: pb.GenerateRequest, engine: Description) -> EngineRequest:
    """Returns the request for the engine. Raises InvalidFields, or Unsupported for what `engine` cannot do."""
    refuse(_problems(request, engine))
    generation = EngineRequest(
        turns=tuple(map(_turn, request.messages)),
        sampling=_sampling(request.sampling),
        prefix=request.prefix,
        schema=_schema(request.response_format),
        offers_tools=bool(request.tools) and request.tool_choice != chat_pb2.TOOL_CHOICE_NONE,
    )
    for capability in sorted(generation.needs - engine.capabilities):
        raise Unsupported(capability, f"the engine {engine.engine} {_REFUSALS[capability]}")
    if generation.prefix and generation.schema is not None:
        # A grammar does not know the prefix and would begin the JSON again.
        raise Unsupported("prefix", "an answer held to a schema cannot be continued; ask for it whole")
    return generation


def read_texts(texts: Sequence[str], field: str, limit: int) -> list[str]:
    """Returns the texts. Raises InvalidFields unless there are 1 to `limit`, none of them empty or too long."""
    if not 1 <= len(texts) <= limit:
        raise InvalidFields({field: f"must hold 1 to {limit} texts, not {len(texts)}"})
    problems = {f"{field}[{place}]": problem for place, text in enumerate(texts) if (problem := _text_problem(text))}
    if problems:
        raise InvalidFields(problems)
    return list(texts)


def read_rerank(request: pb.RerankRequest) -> tuple[str, list[str], int]:
    """Returns the query, the documents and how many of them to return. Raises InvalidFields."""
    problem = _text_problem(request.query)
    if problem:
        raise InvalidFields({"query": problem})
    if request.top_k < 0:
        raise InvalidFields({"top_k": f"must not be negative, but is {request.top_k}"})
    return request.query, read_texts(request.documents, "documents", MAX_DOCUMENTS), request.top_k


def read_comparison(request: pb.CompareQuestionsRequest) -> tuple[str, list[str]]:
    """Returns the question and those to compare it with. Raises InvalidFields."""
    problem = _text_problem(request.question)
    if problem:
        raise InvalidFields({"question": problem})
    return request.question, read_texts(request.others, "others", MAX_COMPARED)


def _text_problem(text: str) -> str:
    if not text.strip():
        return "must not be empty"
    if len(text) > MAX_TEXT_LENGTH:
        return f"must be at most {MAX_TEXT_LENGTH} characters, but is {len(text)}; cut it into parts"
    return ""


def _model_problems(request: pb.GenerateRequest, engine: Description) -> Iterator[Violation]:
    if request.model not in ("", engine.model):
        yield "model", f"must be {engine.model!r} or empty: this engine has no {request.model!r}"


def _message_problems(request: pb.GenerateRequest) -> Iterator[Violation]:
    if not request.messages:
        yield "messages", "must not be empty"
        return
    for place, message in enumerate(request.messages):
        for name, problem in _turn_problems(message):
            yield f"messages[{place}].{name}", problem
    if request.messages[-1].role == chat_pb2.ROLE_ASSISTANT:
        yield (
            f"messages[{len(request.messages) - 1}].role",
            "must not be the assistant's; put text to continue in prefix",
        )


def _turn_problems(message: chat_pb2.Message) -> Iterator[Violation]:
    if message.role not in _ROLES:
        yield "role", "must be system, user, assistant or tool"
    # An answer may be empty, and so may a tool's result.
    may_be_silent = message.role in (chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_TOOL)
    if not (message.parts or message.tool_calls or may_be_silent):
        yield "parts", "must not be empty"
    for place, part in enumerate(message.parts):
        if part.WhichOneof("part") != "text":
            yield f"parts[{place}]", "must be text; this engine reads nothing else"
        elif not (part.text or may_be_silent):
            yield f"parts[{place}].text", "must not be empty"
    if message.tool_calls and message.role != chat_pb2.ROLE_ASSISTANT:
        yield "tool_calls", "only the assistant calls tools"
    if (message.role == chat_pb2.ROLE_TOOL) != bool(message.tool_call_id):
        yield "tool_call_id", "is required with the role tool, and only with it"


def _sampling_problems(sampling: chat_pb2.SamplingParams) -> Iterator[Violation]:
    for name, (lowest, highest, is_lowest_allowed) in _RANGES.items():
        value = getattr(sampling, name)
        is_inside = lowest <= value <= highest and (is_lowest_allowed or value > lowest)
        if _is_given(sampling, name) and not is_inside:
            bounds = f"{'at least' if is_lowest_allowed else 'more than'} {lowest} and at most {highest}"
            yield f"sampling.{name}", f"must be {bounds}, but is {value:g}"
    if len(sampling.stop) > _MAX_STOPS:
        yield "sampling.stop", f"must hold at most {_MAX_STOPS} texts, but holds {len(sampling.stop)}"
    for place, stop in enumerate(sampling.stop):
        if not 1 <= len(stop) <= _MAX_STOP_LENGTH:
            yield f"sampling.stop[{place}]", f"must be 1 to {_MAX_STOP_LENGTH} characters, but is {len(stop)}"


def _is_given(sampling: chat_pb2.SamplingParams, name: str) -> bool:
    return sampling.HasField(name)  # type: ignore[arg-type]  # the stubs want each name as a literal


def _tool_problems(request: pb.GenerateRequest) -> Iterator[Violation]:
    for place, tool in enumerate(request.tools):
        if not _NAME.fullmatch(tool.name):
            yield f"tools[{place}].name", "must be 1 to 64 of a-z, A-Z, 0-9, _ and -"
    if request.tool_choice == chat_pb2.TOOL_CHOICE_REQUIRED and not request.tools:
        yield "tool_choice", "cannot require a tool when tools is empty"


def _format_problems(response_format: chat_pb2.ResponseFormat) -> Iterator[Violation]:
    if response_format.WhichOneof("format") != "json_schema":
        return
    if not _NAME.fullmatch(response_format.json_schema.name):
        yield "response_format.json_schema.name", "must be 1 to 64 of a-z, A-Z, 0-9, _ and -"
    try:
        read_schema(response_format.json_schema.schema_json)
    except BadJson as bad:
        yield SCHEMA_FIELD, str(bad)


def _schema(response_format: chat_pb2.ResponseFormat) -> Mapping[str, Any] | None:
    match response_format.WhichOneof("format"):
        case "json_schema":
            return read_schema(response_format.json_schema.schema_json)
        case "json_object":
            return {"type": "object"}
    return None


def _turn(message: chat_pb2.Message) -> Turn:
    calls = tuple((call.id, call.name, call.arguments_json) for call in message.tool_calls)
    return Turn(_ROLES[message.role], "".join(part.text for part in message.parts), calls, message.tool_call_id)


def _sampling(sampling: chat_pb2.SamplingParams) -> Sampling:
    given = {name: getattr(sampling, name) for name in (*_RANGES, "seed") if _is_given(sampling, name)}
    return Sampling(stop=tuple(sampling.stop), **given)
