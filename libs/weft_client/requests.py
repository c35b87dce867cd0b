"""Builds generation requests from plain values."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, TypeVar, Unpack

from google.protobuf.duration_pb2 import Duration

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_client.chat_json import Said, messages, tools
from weft_client.images import Picture, image
from weft_kit.rpc.time import duration

Choice = TypeVar("Choice")
Value = TypeVar("Value")

CacheChoice = Literal["off", "exact", "semantic"]
_MODES: Final[dict[CacheChoice, job_pb2.CacheMode.ValueType]] = {
    "off": job_pb2.CACHE_MODE_OFF,
    "exact": job_pb2.CACHE_MODE_EXACT,
    "semantic": job_pb2.CACHE_MODE_SEMANTIC,
}
OnOutage = Literal["wait", "fail"]
_ON_OUTAGE: Final[dict[OnOutage, job_pb2.OnOutage.ValueType]] = {
    "wait": job_pb2.ON_OUTAGE_WAIT,
    "fail": job_pb2.ON_OUTAGE_FAIL,
}
PriorityChoice = Literal["high", "normal", "low"]
_PRIORITIES: Final[dict[PriorityChoice, job_pb2.Priority.ValueType]] = {
    "high": job_pb2.PRIORITY_HIGH,
    "normal": job_pb2.PRIORITY_NORMAL,
    "low": job_pb2.PRIORITY_LOW,
}
ToolChoiceName = Literal["auto", "none", "required"]
_TOOL_CHOICES: Final[dict[ToolChoiceName, chat_pb2.ToolChoice.ValueType]] = {
    "auto": chat_pb2.TOOL_CHOICE_AUTO,
    "none": chat_pb2.TOOL_CHOICE_NONE,
    "required": chat_pb2.TOOL_CHOICE_REQUIRED,
}
_LONGEST_NAME = 64


class ChatOptions(TypedDict, total=False):
    """How to answer a question; what is left out is decided by the model alias. Times are in seconds.

    `top_k` passages come from the collection, if one is given. `timeout_s` is the longest life of the job, queue
    included. An attempt may take `first_token_s` to its first token, `between_tokens_s` to each next one, and `total_s`
    in all. `cache` says which cached answers may be used (by default, at temperature 0 without tools, those that the
    alias allows); `max_age_s` is how old such an answer may be, and `min_similarity` how similar its question must be.
    With one of its `tags`, the answer can be deleted from the cache. For `prefer_region`, `first_of` and `draft` see
    `weft.job.v1.Routing`; for `max_attempts`, `max_backoff_s` and `on_outage`, `weft.job.v1.RetryPolicy`.

    `history` holds the messages before the question, and `tools` what the model may call, both in the formats of
    `chat_json`. `json_schema` is the JSON Schema of the answer; `json_object` asks for any JSON object. The record is
    posted to `webhook_url` once the job has ended.
    """

    model: str
    system: str
    history: Sequence[Said | chat_pb2.Message]
    images: Sequence[Picture]
    collection: str
    top_k: int | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: Sequence[str]
    seed: int | None
    json_object: bool
    json_schema: Mapping[str, Any] | None
    tools: Sequence[Said | chat_pb2.Tool]
    tool_choice: ToolChoiceName | None
    labels: Mapping[str, str]
    priority: PriorityChoice | None
    webhook_url: str
    timeout_s: float | None
    cache: CacheChoice | None
    max_age_s: float | None
    min_similarity: float | None
    tags: Sequence[str]
    prefer_region: str
    first_token_s: float | None
    between_tokens_s: float | None
    total_s: float | None
    first_of: int | None
    draft: bool
    max_attempts: int | None
    max_backoff_s: float | None
    on_outage: OnOutage | None


def chat(prompt: str, **options: Unpack[ChatOptions]) -> job_pb2.GenerationRequest:
    """Returns a request with one question. The default model is the alias "default".

    Raises:
        OSError: a file among the images cannot be read.
        TypeError: an option does not exist.
        ValueError: an option has an unknown value, an image's format is not supported, or a message or a tool is
            malformed.
    """
    if unknown := options.keys() - ChatOptions.__annotations__.keys():
        raise TypeError(f"there is no option {min(unknown)}; there are {', '.join(ChatOptions.__annotations__)}")
    system = options.get("system", "")
    tool_choice = _chosen("tool_choice", options.get("tool_choice"), _TOOL_CHOICES, chat_pb2.TOOL_CHOICE_UNSPECIFIED)
    request = job_pb2.GenerationRequest(
        model=options.get("model", "default"),
        messages=[_message(chat_pb2.ROLE_SYSTEM, system)] if system else [],
        sampling=_sampling(options),
        tools=tools(options.get("tools", ())),
        tool_choice=tool_choice,
        response_format=_response_format(options),
        cache=_cache(options),
        priority=_chosen("priority", options.get("priority"), _PRIORITIES, job_pb2.PRIORITY_UNSPECIFIED),
        timeout=_duration(options.get("timeout_s")),
        webhook_url=options.get("webhook_url", ""),
        labels=options.get("labels", {}),
        routing=_routing(options),
        retry_policy=_retry_policy(options),
    )
    request.messages.extend(messages(options.get("history", ())))
    request.messages.append(_message(chat_pb2.ROLE_USER, prompt, options.get("images", ())))
    if collection := options.get("collection"):
        request.retrieval.CopyFrom(job_pb2.RetrievalOptions(collection=collection, top_k=options.get("top_k")))
    return request


def _message(role: chat_pb2.Role.ValueType, text: str, pictures: Sequence[Picture] = ()) -> chat_pb2.Message:
    parts = [chat_pb2.ContentPart(text=text), *(chat_pb2.ContentPart(image=image(one)) for one in pictures)]
    return chat_pb2.Message(role=role, parts=parts)


def _sampling(options: ChatOptions) -> chat_pb2.SamplingParams:
    return chat_pb2.SamplingParams(
        max_tokens=options.get("max_tokens"),
        temperature=options.get("temperature"),
        top_p=options.get("top_p"),
        stop=options.get("stop", ()),
        seed=options.get("seed"),
    )


def _response_format(options: ChatOptions) -> chat_pb2.ResponseFormat | None:
    schema = options.get("json_schema")
    if schema is not None:
        # Providers require a name: the schema's title, without characters that are not allowed.
        name = re.sub(r"[^a-zA-Z0-9_-]+", "_", str(schema.get("title", "")))[:_LONGEST_NAME].strip("_") or "answer"
        form = chat_pb2.JsonSchemaFormat(name=name, schema_json=json.dumps(schema))
        return chat_pb2.ResponseFormat(json_schema=form)
    if options.get("json_object"):
        return chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
    return None


def _cache(options: ChatOptions) -> job_pb2.CachePolicy | None:
    policy = job_pb2.CachePolicy(
        mode=_chosen("cache", options.get("cache"), _MODES, job_pb2.CACHE_MODE_UNSPECIFIED),
        max_age=_duration(options.get("max_age_s")),
        min_similarity=options.get("min_similarity"),
        tags=options.get("tags", ()),
    )
    return policy if policy.ListFields() else None


def _routing(options: ChatOptions) -> job_pb2.Routing | None:
    """Returns None if nothing is set: requests with an empty Routing and without one are not the same."""
    routing = job_pb2.Routing(
        prefer_region=options.get("prefer_region", ""),
        first_token_timeout=_duration(options.get("first_token_s")),
        between_tokens_timeout=_duration(options.get("between_tokens_s")),
        total_timeout=_duration(options.get("total_s")),
        first_of=options.get("first_of"),
        draft=options.get("draft", False),
    )
    return routing if routing.ListFields() else None


def _retry_policy(options: ChatOptions) -> job_pb2.RetryPolicy | None:
    policy = job_pb2.RetryPolicy(
        max_attempts=options.get("max_attempts"),
        max_backoff=_duration(options.get("max_backoff_s")),
        on_outage=_chosen("on_outage", options.get("on_outage"), _ON_OUTAGE, job_pb2.ON_OUTAGE_UNSPECIFIED),
    )
    return policy if policy.ListFields() else None


def _chosen(option: str, choice: Choice | None, values: Mapping[Choice, Value], otherwise: Value) -> Value:
    if choice is not None and choice not in values:
        raise ValueError(f"{option} is {choice!r}; it may be {' or '.join(map(str, values))}")
    return values[choice] if choice else otherwise


def _duration(seconds: float | None) -> Duration | None:
    return None if seconds is None else duration(seconds)
