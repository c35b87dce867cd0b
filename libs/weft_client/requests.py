"""Generation requests from plain values."""

from typing import TypedDict

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2


class ChatOptions(TypedDict, total=False):
    """How to answer a question. `top_k` passages come from the collection, when there is one."""

    model: str
    system: str
    collection: str
    top_k: int | None
    max_tokens: int | None
    temperature: float | None


def chat(
    prompt: str,
    *,
    model: str = "default",
    system: str = "",
    collection: str = "",
    top_k: int | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> job_pb2.GenerationRequest:
    """Builds a request of one question, with instructions and a collection to find `top_k` passages in when given."""
    messages = [_message(chat_pb2.ROLE_SYSTEM, system)] if system else []
    messages.append(_message(chat_pb2.ROLE_USER, prompt))
    request = job_pb2.GenerationRequest(
        model=model,
        messages=messages,
        sampling=chat_pb2.SamplingParams(max_tokens=max_tokens, temperature=temperature),
    )
    if collection:
        request.retrieval.CopyFrom(job_pb2.RetrievalOptions(collection=collection, top_k=top_k))
    return request


def _message(role: chat_pb2.Role.ValueType, text: str) -> chat_pb2.Message:
    return chat_pb2.Message(role=role, parts=[chat_pb2.ContentPart(text=text)])
