"""Generation requests from plain values."""

from collections.abc import Sequence
from typing import Final, Literal, TypedDict, Unpack

from google.protobuf.duration_pb2 import Duration

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_client.images import Picture, image

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


class ChatOptions(TypedDict, total=False):
    """How to answer a question; what is left out is left to the model alias. Times are in seconds.

    `top_k` passages come from the collection, when there is one. `timeout_s` is the life of the job, queue included;
    an attempt waits for its first token `first_token_s`, for each next one `between_tokens_s`, and in all `total_s`.
    `cache` is the furthest of its tiers that may answer, `max_age_s` how old such an answer may be, `min_similarity`
    how alike its question has to be; under `tags` the answer to this question can be forgotten. For `prefer_region`,
    `first_of` and `draft` see `weft.job.v1.Routing`; for `max_attempts`, `max_backoff_s` and `on_outage`
    `weft.job.v1.RetryPolicy`.
    """

    model: str
    system: str
    images: Sequence[Picture]
    collection: str
    top_k: int | None
    max_tokens: int | None
    temperature: float | None
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
    """Builds a request of one question. The default model is the alias "default".

    Raises:
        OSError: a file among the images cannot be read.
        TypeError: there is no option of that name.
        ValueError: one of the images is in no format that may be sent, or `on_outage` is no choice.
    """
    if unknown := options.keys() - ChatOptions.__annotations__.keys():
        raise TypeError(f"there is no option {min(unknown)}; there are {', '.join(ChatOptions.__annotations__)}")
    system = options.get("system", "")
    sampling = chat_pb2.SamplingParams(max_tokens=options.get("max_tokens"), temperature=options.get("temperature"))
    request = job_pb2.GenerationRequest(
        model=options.get("model", "default"),
        messages=[_message(chat_pb2.ROLE_SYSTEM, system)] if system else [],
        sampling=sampling,
        timeout=_duration(options.get("timeout_s")),
        cache=_cache(options),
        routing=_routing(options),
        retry_policy=_retry_policy(options),
    )
    request.messages.append(_message(chat_pb2.ROLE_USER, prompt, options.get("images", ())))
    if collection := options.get("collection"):
        request.retrieval.CopyFrom(job_pb2.RetrievalOptions(collection=collection, top_k=options.get("top_k")))
    return request


def _message(role: chat_pb2.Role.ValueType, text: str, pictures: Sequence[Picture] = ()) -> chat_pb2.Message:
    parts = [chat_pb2.ContentPart(text=text), *(chat_pb2.ContentPart(image=image(one)) for one in pictures)]
    return chat_pb2.Message(role=role, parts=parts)


def _cache(options: ChatOptions) -> job_pb2.CachePolicy | None:
    mode = options.get("cache")
    policy = job_pb2.CachePolicy(
        mode=_MODES[mode] if mode else job_pb2.CACHE_MODE_UNSPECIFIED,
        max_age=_duration(options.get("max_age_s")),
        min_similarity=options.get("min_similarity"),
        tags=options.get("tags", ()),
    )
    return policy if policy.ListFields() else None


def _routing(options: ChatOptions) -> job_pb2.Routing | None:
    """Returns None where nothing is said: a request with and one without an empty Routing are not the same."""
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
    choice = options.get("on_outage")
    if choice is not None and choice not in _ON_OUTAGE:
        raise ValueError(f"on_outage is {choice!r}; it may be {' or '.join(_ON_OUTAGE)}")
    policy = job_pb2.RetryPolicy(
        max_attempts=options.get("max_attempts"),
        max_backoff=_duration(options.get("max_backoff_s")),
        on_outage=_ON_OUTAGE[choice] if choice else job_pb2.ON_OUTAGE_UNSPECIFIED,
    )
    return policy if policy.ListFields() else None


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
