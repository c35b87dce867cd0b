"""How much a provider may send: what the log accepts, and what the allowed tokens can amount to."""

from dataclasses import dataclass

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.joblog import beginning
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import ProviderError, Remedy

MAX_ANSWER_BYTES = 6 * 1024 * 1024
"""Largest answer if nothing else is set."""

# Tokens have four bytes on average, and the longest of common vocabularies, runs of blanks, 128. What comes beside
# them, such as ids and signatures, is no tokens.
BYTES_A_TOKEN = 64
BYTES_BESIDE_TOKENS = 64 * 1024

MOST_CALLS = 512
"""Tool calls in an answer."""
_MOST_STATE_BYTES = 512 * 1024
"""Largest part of a tool call besides its arguments, which cannot be split."""


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """The limit on an answer's bytes: its text, its reasoning and its tool calls together.

    A provider that sends more than `max_tokens` can amount to ignores that limit, so the router enforces it: the answer
    ends there, as LENGTH. A provider that sends more than `most_bytes` fails the job.
    """

    most_bytes: int
    max_tokens: int

    @property
    def _tokens_bytes(self) -> int:
        return self.max_tokens * BYTES_A_TOKEN + BYTES_BESIDE_TOKENS

    def fitting(self, said: AnswerSoFar, delta: event_pb2.Delta) -> event_pb2.Delta:
        """Returns the part of a delta that the answer has room for: the delta itself if all of it fits.

        Raises:
            ProviderError: it has more tool calls than any answer may.
        """
        room = max(0, min(self.most_bytes, self._tokens_bytes) - said.size_bytes)
        if delta.tool_calls:
            self._check_calls(said, delta)
        if delta.ByteSize() <= room:  # which counts a few bytes too many
            return delta
        fitting = event_pb2.Delta(reasoning=beginning(delta.reasoning, room), token_count=delta.token_count)
        room -= len(fitting.reasoning.encode())
        fitting.text = beginning(delta.text, room)
        room -= len(fitting.text.encode())
        for piece in delta.tool_calls:
            room -= piece.ByteSize()
            if room < 0:
                break
            fitting.tool_calls.append(piece)
        return delta if fitting == delta else fitting

    def end(self) -> inference_pb2.Finished:
        """Returns the end of an answer that exceeded its limit.

        Raises:
            ProviderError: it exceeds `most_bytes`, and not its tokens.
        """
        if self._tokens_bytes <= self.most_bytes:
            return inference_pb2.Finished(finish_reason=chat_pb2.FINISH_REASON_LENGTH)
        raise self._too_large()

    def _check_calls(self, said: AnswerSoFar, delta: event_pb2.Delta) -> None:
        indexes = said.call_indexes.union(piece.index for piece in delta.tool_calls)
        state = max(len((piece.id + piece.name + piece.provider_state).encode()) for piece in delta.tool_calls)
        if len(indexes) > MOST_CALLS or state > _MOST_STATE_BYTES:
            raise self._too_large()

    def _too_large(self) -> ProviderError:
        message = (
            f"the provider said more than an answer may hold ({self.most_bytes} bytes, {MOST_CALLS} tool calls) and was"
            " cut off there; ask for less, or set max_tokens"
        )
        return ProviderError(error_pb2.ERROR_REASON_ANSWER_TOO_LARGE, message, Remedy.NOTHING)
