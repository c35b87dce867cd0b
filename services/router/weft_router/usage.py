"""What jobs take in tokens: expected, as reported, or as far as it can be seen."""

from collections.abc import Iterable, Mapping, Sequence

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog import ModelAlias
from weft_router.job import max_tokens
from weft_router.prompt import estimated_tokens


def expected(accepted: event_pb2.Accepted, models: Mapping[str, ModelAlias]) -> int:
    """Return the tokens a job is expected to take before anything of it ran: its prompt, and the longest answer."""
    request = accepted.request
    alias = models.get(request.model)
    longest = max_tokens(request, alias) if alias else request.sampling.max_tokens
    return estimated_tokens(request.messages) + longest


def estimated(prompt: Sequence[chat_pb2.Message], completion_tokens: int) -> chat_pb2.Usage:
    """Return what can be seen where a provider reported nothing."""
    return chat_pb2.Usage(prompt_tokens=estimated_tokens(prompt), completion_tokens=completion_tokens, estimated=True)


def summed(usages: Iterable[chat_pb2.Usage]) -> chat_pb2.Usage:
    """Return all together; estimated as soon as one of them is."""
    together = chat_pb2.Usage()
    for usage in usages:
        together.prompt_tokens += usage.prompt_tokens
        together.completion_tokens += usage.completion_tokens
        together.cached_prompt_tokens += usage.cached_prompt_tokens
        together.cache_write_prompt_tokens += usage.cache_write_prompt_tokens
        together.hour_cache_write_prompt_tokens += usage.hour_cache_write_prompt_tokens
        together.reasoning_tokens += usage.reasoning_tokens
        together.estimated |= usage.estimated
    return together


def total(usage: chat_pb2.Usage) -> int:
    """Return the tokens read and written."""
    return usage.prompt_tokens + usage.completion_tokens
