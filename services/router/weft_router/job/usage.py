"""Token usage of jobs: expected, as reported, or as estimated from visible text."""

from collections.abc import Iterable, Mapping, Sequence

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog.catalog import ModelAlias
from weft_router.job.token_estimate import estimated_tokens

_MOST_UNSEEN_TOKENS = 1_000_000
"""More than a call can use beyond what is visible of it: a provider's own prompt, what its tools read, reasoning."""
_TOKENS_AN_ESTIMATED_ONE = 3
"""No token is shorter than a byte, and the estimate takes three bytes for one."""


def max_tokens(request: job_pb2.GenerationRequest, alias: ModelAlias) -> int:
    """Returns the longest answer allowed: what was asked for, within the alias's limit."""
    asked, limit = request.sampling, alias.max_output_tokens
    return min(asked.max_tokens, limit) if asked.HasField("max_tokens") else limit


def expected(accepted: event_pb2.Accepted, models: Mapping[str, ModelAlias]) -> int:
    """Returns the tokens that a job is expected to use before anything ran: its prompt, and the longest answer."""
    request = accepted.request
    alias = models.get(request.model)
    longest = max_tokens(request, alias) if alias else request.sampling.max_tokens
    return estimated_tokens(request.messages) + longest


def estimated(prompt: Sequence[chat_pb2.Message], completion_tokens: int) -> chat_pb2.Usage:
    """Returns an estimate from visible text, if a provider reported nothing."""
    return chat_pb2.Usage(prompt_tokens=estimated_tokens(prompt), completion_tokens=completion_tokens, estimated=True)


def completed(
    reported: chat_pb2.Usage, prompt: Sequence[chat_pb2.Message], seen_tokens: int, *, is_whole: bool
) -> chat_pb2.Usage:
    """Returns what a provider reported, with estimates for counts that are missing or impossible.

    Of an answer that `is_whole` it has counted all, of another one perhaps only the beginning.
    """
    usage = chat_pb2.Usage()
    usage.CopyFrom(reported)
    if not 0 < usage.prompt_tokens <= _MOST_UNSEEN_TOKENS:
        estimate = estimated_tokens(prompt)
        if not 0 < usage.prompt_tokens <= _MOST_UNSEEN_TOKENS + _TOKENS_AN_ESTIMATED_ONE * estimate:
            usage = chat_pb2.Usage(
                prompt_tokens=estimate,
                completion_tokens=usage.completion_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                estimated=True,
            )
    least = 0 if is_whole and usage.completion_tokens else seen_tokens
    if not least <= usage.completion_tokens <= _MOST_UNSEEN_TOKENS + seen_tokens:
        usage.completion_tokens, usage.estimated = seen_tokens, True
        usage.reasoning_tokens = min(usage.reasoning_tokens, seen_tokens)
    return usage


class Meter:
    """The usage of one call: as its provider reports it, or as estimated."""

    def __init__(self, prompt: Sequence[chat_pb2.Message]) -> None:
        self.seen_tokens = 0
        """Tokens that came."""
        self._prompt = prompt
        self._reported: chat_pb2.Usage | None = None
        self.is_whole = False
        """Whether the answer has ended."""

    def report(self, reported: chat_pb2.Usage) -> None:
        """Takes in what the provider has counted so far."""
        self._reported = reported

    def end(self, finished: inference_pb2.Finished) -> None:
        """Takes in the usage of a complete answer, and adds it to the end."""
        self.is_whole = True
        if finished.HasField("usage"):
            self._reported = finished.usage
            finished.usage.CopyFrom(self.taken(was_read=True))

    def taken(self, *, was_read: bool) -> chat_pb2.Usage:
        """Returns what was taken; where nothing was reported, and no prompt `was_read`, it is nothing known."""
        if self._reported is not None:
            return completed(self._reported, self._prompt, self.seen_tokens, is_whole=self.is_whole)
        return estimated(self._prompt, self.seen_tokens) if was_read else chat_pb2.Usage()


def summed(usages: Iterable[chat_pb2.Usage]) -> chat_pb2.Usage:
    """Returns the sum; it is estimated as soon as one part is."""
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
    """Returns the tokens read and written."""
    return usage.prompt_tokens + usage.completion_tokens
