"""What a request must satisfy before it becomes a job: all faults are reported at once, each with its exact path."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from google.protobuf.duration_pb2 import Duration

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_gateway.submission.filters import filter_problem
from weft_kit.rpc.errors import Invalid
from weft_kit.rpc.time import seconds_of
from weft_kit.validation.fields import (
    Violation,
    quoted,
    refuse,
    request_problems,
)
from weft_kit.validation.json_schemas import read_schema
from weft_kit.validation.json_values import ARGUMENTS, BadJson, JointReader

_REQUEST_ID: Final = re.compile(r"[\x20-\x7e]{0,128}")
_FUNCTION_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_COLLECTION: Final = re.compile(r"[a-z0-9_-]{1,64}")
_SPEAKERS: Final = frozenset({
    chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_TOOL,
})  # fmt: skip
_ASKING: Final = frozenset({chat_pb2.ROLE_USER, chat_pb2.ROLE_TOOL})
# An answer may be empty, and so may a tool's result.
_SILENT: Final = frozenset({chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_TOOL})
_IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MOST_MESSAGES, _MOST_PARTS, _MOST_CALLS = 4096, 1024, 512
_MOST_TOOLS, _MOST_STOPS, _MOST_LABELS, _MOST_TAGS = 128, 8, 16, 16
_LONGEST_TEXT, _LONGEST_URL = 64, 2048
_SCHEMAS_BYTES: Final = 256 * 1024  # of all tools together
_MOST_AT_ONCE, _MOST_ATTEMPTS = 8, 100
_DAY_S: Final = 24 * 3600.0
_LONGEST_AGE_S: Final = 1e9
# No provider sends its first or next token sooner than this: a shorter limit would only create calls that are paid for
# and thrown away.
_SHORTEST_PATIENCE_S: Final = 0.1
_SHORTEST_BACKOFF_S: Final = 0.001


def check(request_id: str, request: job_pb2.GenerationRequest, models: Collection[str]) -> None:
    """Raises InvalidFields with every violation, Invalid for a model that is not in `models` or for a filter.

    Whether its values can be stored, and are few enough to be checked, has been decided before: by the interceptor, or
    for a request of a batch by `check_item`.
    """
    refuse(_violations(request_id, request))
    if request.model not in models:
        known = ", ".join(models)
        message = f"no model alias {quoted(request.model)}; known are {known}"
        raise Invalid(error_pb2.ERROR_REASON_UNKNOWN_MODEL, message, known=known)
    problem = filter_problem(request.retrieval.filter) if request.retrieval.HasField("filter") else None
    if problem:
        raise Invalid(error_pb2.ERROR_REASON_INVALID_FILTER, f"request.retrieval.filter{problem}")


def check_item(request: job_pb2.GenerationRequest) -> None:
    """Raises InvalidFields for values in a request of a batch that cannot be stored; the interceptor does not check
    those.
    """
    refuse((f"request.{path}", problem) for path, problem in request_problems(request))


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Raises Invalid when an encoded request is larger than the mesh accepts."""
    if size_bytes > limit_bytes:
        raise Invalid(
            error_pb2.ERROR_REASON_REQUEST_TOO_LARGE,
            f"the request has {size_bytes} bytes, at most {limit_bytes} are carried; shorten the messages",
            size_bytes=str(size_bytes),
            limit_bytes=str(limit_bytes),
        )


def _violations(request_id: str, request: job_pb2.GenerationRequest) -> Iterator[Violation]:
    if not _REQUEST_ID.fullmatch(request_id):
        yield "request_id", "must be 1-128 printable ASCII characters, or empty"
    if not request.model:
        yield "request.model", "is required; name a model alias"
    yield from _messages(request)
    if request.HasField("sampling"):
        yield from _sampling(request.sampling)
    yield from _tools(request)
    yield from _response_format(request.response_format)
    if request.HasField("retrieval"):
        yield from _retrieval(request.retrieval)
    if request.HasField("cache"):
        yield from _cache(request.cache)
    if request.HasField("timeout"):
        yield from _time("request.timeout", request.timeout, 1, _DAY_S)
    if request.webhook_url:
        yield from _webhook_url(request.webhook_url)
    if request.HasField("routing"):
        yield from _routing(request.routing)
    if request.HasField("retry_policy"):
        yield from _retry_policy(request.retry_policy)
    yield from _labels(request.labels)


def _messages(request: job_pb2.GenerationRequest) -> Iterator[Violation]:
    if not 1 <= len(request.messages) <= _MOST_MESSAGES:
        yield "request.messages", f"must be 1-{_MOST_MESSAGES}, are {len(request.messages)}"
        return
    arguments = JointReader(ARGUMENTS)
    for i, message in enumerate(request.messages):
        for path, problem in _message(message, arguments):
            yield f"request.messages[{i}].{path}", problem
    last = request.messages[-1]
    if last.role in _SPEAKERS - _ASKING:
        yield f"request.messages[{len(request.messages) - 1}].role", "of the last message must be USER or TOOL"


def _message(message: chat_pb2.Message, arguments: JointReader) -> Iterator[Violation]:
    if message.role not in _SPEAKERS:
        yield "role", "must be SYSTEM, USER, ASSISTANT or TOOL"
    if not message.parts and not message.tool_calls and message.role not in _SILENT:
        yield "parts", "must not be empty"
    if len(message.parts) > _MOST_PARTS:
        yield "parts", f"must be at most {_MOST_PARTS}, are {len(message.parts)}"
    elif message.parts:
        yield from _parts(message)
    yield from _tool_calls(message, arguments)
    if message.role == chat_pb2.ROLE_TOOL and not message.tool_call_id:
        yield "tool_call_id", "is required with TOOL"
    if message.role != chat_pb2.ROLE_TOOL and message.tool_call_id:
        yield "tool_call_id", "may only be set with TOOL"


def _parts(message: chat_pb2.Message) -> Iterator[Violation]:
    for i, part in enumerate(message.parts):
        for path, problem in _part(part, message.role):
            yield f"parts[{i}]{path}", problem


def _part(part: chat_pb2.ContentPart, role: chat_pb2.Role.ValueType) -> Iterator[Violation]:
    match part.WhichOneof("part"):
        case "text" if not part.text and role not in _SILENT:
            yield ".text", "must not be empty"
        case "image" if role != chat_pb2.ROLE_USER:
            yield ".image", "may only be set with USER"
        case "image":
            yield from _image(part.image)
        case None:
            yield "", "must hold a part of a known kind: text or image"


def _image(image: chat_pb2.Image) -> Iterator[Violation]:
    match image.WhichOneof("source"):
        case None:
            yield ".image", "must hold data or url"
            return
        case "data" if not image.data:
            yield ".image.data", "must not be empty"
        case "url" if not (len(image.url) <= _LONGEST_URL and _is_web_address(image.url, {"https"})):
            yield ".image.url", f"must be an https URL of at most {_LONGEST_URL} characters, without user name"
    if image.mime_type not in _IMAGE_TYPES and (image.mime_type or not image.HasField("url")):
        yield ".image.mime_type", f"must be one of {', '.join(_IMAGE_TYPES)}"


def _tool_calls(message: chat_pb2.Message, arguments: JointReader) -> Iterator[Violation]:
    if not message.tool_calls:
        return
    if message.role != chat_pb2.ROLE_ASSISTANT:
        yield "tool_calls", "may only be set with ASSISTANT"
    if len(message.tool_calls) > _MOST_CALLS:
        yield "tool_calls", f"must be at most {_MOST_CALLS}, are {len(message.tool_calls)}"
        return
    for i, call in enumerate(message.tool_calls):
        for path, problem in _tool_call(call, arguments):
            yield f"tool_calls[{i}].{path}", problem


def _tool_call(call: chat_pb2.ToolCall, arguments: JointReader) -> Iterator[Violation]:
    """Yields the faults of a tool call: none if it came from an answer, whatever name and arguments a model made up."""
    if not call.id:
        yield "id", "is required"
    if not call.name:
        yield "name", "is required"
    if call.arguments_json and (problem := _problem(call.arguments_json, arguments)):
        yield "arguments_json", problem
    if call.provider_state and _problem(call.provider_state, arguments, dict):
        yield "provider_state", "must be as it came with the call, or empty"


def _problem(text: str, arguments: JointReader, kind: type = object) -> str:
    """Returns why a text is not JSON of this kind that can be stored and sent on; "" if it is."""
    try:
        return "" if isinstance(arguments.read(text), kind) else "must be a JSON object"
    except BadJson as bad:
        return str(bad)


def _routing(routing: job_pb2.Routing) -> Iterator[Violation]:
    limits = {
        "first_token_timeout": routing.first_token_timeout,
        "between_tokens_timeout": routing.between_tokens_timeout,
        "total_timeout": routing.total_timeout,
    }
    for name, limit in limits.items():
        if routing.HasField(name):  # type: ignore[arg-type]
            yield from _time(f"request.routing.{name}", limit, _SHORTEST_PATIENCE_S, _DAY_S)
    if routing.HasField("first_of") and not 1 <= routing.first_of <= _MOST_AT_ONCE:
        yield "request.routing.first_of", f"must be 1 to {_MOST_AT_ONCE}, is {routing.first_of}"
    if len(routing.prefer_region) > _LONGEST_TEXT:
        yield "request.routing.prefer_region", f"must be at most {_LONGEST_TEXT} characters"


def _retry_policy(policy: job_pb2.RetryPolicy) -> Iterator[Violation]:
    if policy.HasField("max_attempts") and not 1 <= policy.max_attempts <= _MOST_ATTEMPTS:
        yield "request.retry_policy.max_attempts", f"must be 1 to {_MOST_ATTEMPTS}, is {policy.max_attempts}"
    if policy.HasField("max_backoff"):
        yield from _time("request.retry_policy.max_backoff", policy.max_backoff, _SHORTEST_BACKOFF_S, _DAY_S)


def _sampling(sampling: chat_pb2.SamplingParams) -> Iterator[Violation]:
    # Each comparison is written so that NaN fails it.
    if not 0 <= sampling.temperature <= 2:
        yield "request.sampling.temperature", f"must be 0-2, is {sampling.temperature:g}"
    if sampling.HasField("top_p") and not 0 < sampling.top_p <= 1:
        yield "request.sampling.top_p", f"must be more than 0 and at most 1, is {sampling.top_p:g}"
    if sampling.HasField("top_k") and sampling.top_k < 1:
        yield "request.sampling.top_k", f"must be at least 1, is {sampling.top_k}"
    if sampling.HasField("max_tokens") and sampling.max_tokens < 1:
        yield "request.sampling.max_tokens", f"must be at least 1, is {sampling.max_tokens}"
    if not -2 <= sampling.frequency_penalty <= 2:
        yield "request.sampling.frequency_penalty", f"must be -2 to 2, is {sampling.frequency_penalty:g}"
    if not -2 <= sampling.presence_penalty <= 2:
        yield "request.sampling.presence_penalty", f"must be -2 to 2, is {sampling.presence_penalty:g}"
    if len(sampling.stop) > _MOST_STOPS:
        yield "request.sampling.stop", f"must be at most {_MOST_STOPS}, are {len(sampling.stop)}"
        return
    for i, stop in enumerate(sampling.stop):
        if not 1 <= len(stop) <= _LONGEST_TEXT:
            yield f"request.sampling.stop[{i}]", f"must be 1-{_LONGEST_TEXT} characters, is {len(stop)}"


def _tools(request: job_pb2.GenerationRequest) -> Iterator[Violation]:
    if len(request.tools) > _MOST_TOOLS:
        yield "request.tools", f"must be at most {_MOST_TOOLS}, are {len(request.tools)}"
        return
    size = sum(len(tool.parameters_schema.encode()) for tool in request.tools)
    if size > _SCHEMAS_BYTES:
        yield "request.tools", f"have schemas of {size} bytes together, at most {_SCHEMAS_BYTES} are taken"
        return
    names: set[str] = set()
    for i, tool in enumerate(request.tools):
        path = f"request.tools[{i}]"
        if not _FUNCTION_NAME.fullmatch(tool.name):
            yield f"{path}.name", "must be 1-64 of [a-zA-Z0-9_-]"
        elif tool.name in names:
            yield f"{path}.name", f"must be unique, {quoted(tool.name)} came before"
        names.add(tool.name)
        if tool.parameters_schema:
            yield from _schema(f"{path}.parameters_schema", tool.parameters_schema)
    if request.tool_choice == chat_pb2.TOOL_CHOICE_REQUIRED and not request.tools:
        yield "request.tool_choice", "REQUIRED needs tools"


def _response_format(form: chat_pb2.ResponseFormat) -> Iterator[Violation]:
    if form.WhichOneof("format") != "json_schema":
        return
    path = "request.response_format.json_schema"
    if not _FUNCTION_NAME.fullmatch(form.json_schema.name):
        yield f"{path}.name", "must be 1-64 of [a-zA-Z0-9_-]"
    yield from _schema(f"{path}.schema_json", form.json_schema.schema_json)


def _schema(path: str, schema: str) -> Iterator[Violation]:
    try:
        read_schema(schema)
    except BadJson as bad:
        yield path, str(bad)


def _retrieval(retrieval: job_pb2.RetrievalOptions) -> Iterator[Violation]:
    if not _COLLECTION.fullmatch(retrieval.collection):
        yield "request.retrieval.collection", "must be 1-64 of [a-z0-9_-]"
    if retrieval.HasField("top_k") and not 1 <= retrieval.top_k <= 20:
        yield "request.retrieval.top_k", f"must be 1-20, is {retrieval.top_k}"


def _cache(cache: job_pb2.CachePolicy) -> Iterator[Violation]:
    if cache.HasField("max_age"):
        yield from _time("request.cache.max_age", cache.max_age, 0, _LONGEST_AGE_S)
    if cache.HasField("min_similarity") and not 0 <= cache.min_similarity <= 1:
        yield "request.cache.min_similarity", f"must be 0-1, is {cache.min_similarity:g}"
    if len(cache.tags) > _MOST_TAGS:
        yield "request.cache.tags", f"must be at most {_MOST_TAGS}, are {len(cache.tags)}"
        return
    for i, tag in enumerate(cache.tags):
        if not 1 <= len(tag) <= _LONGEST_TEXT:
            yield f"request.cache.tags[{i}]", f"must be 1-{_LONGEST_TEXT} characters, is {len(tag)}"


def _webhook_url(url: str) -> Iterator[Violation]:
    if len(url) > _LONGEST_URL:
        yield "request.webhook_url", f"must be at most {_LONGEST_URL} characters, is {len(url)}"
    elif not _is_web_address(url):
        yield "request.webhook_url", "must be an absolute http or https URL without user name and password"


def _labels(labels: Mapping[str, str]) -> Iterator[Violation]:
    if len(labels) > _MOST_LABELS:
        yield "request.labels", f"must be at most {_MOST_LABELS}, are {len(labels)}"
        return
    for key, value in labels.items():
        if not 1 <= len(key) <= _LONGEST_TEXT:
            yield f"request.labels[{quoted(key)}]", f"key must be 1-{_LONGEST_TEXT} characters, is {len(key)}"
        if len(value) > _LONGEST_TEXT:
            yield f"request.labels[{quoted(key)}]", f"must be at most {_LONGEST_TEXT} characters, is {len(value)}"


def _time(path: str, duration: Duration, least_s: float, most_s: float) -> Iterator[Violation]:
    if not least_s <= seconds_of(duration) <= most_s:
        yield path, f"must be {least_s:g} to {most_s:g} s, is {seconds_of(duration):g} s"


def _is_web_address(url: str, schemes: Collection[str] = ("http", "https")) -> bool:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and port_is_good and parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc
