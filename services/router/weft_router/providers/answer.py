"""An answer as it comes in, event by event, whatever format says it, and believed only when it is whole."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic_core import from_json

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import finish_reasons
from weft_router.providers.event_stream import EventStream
from weft_router.providers.port import Step, broken
from weft_router.providers.tool_calls import Calls


class Answer(ABC):
    """Reads the data of one stream's events, in order. A format says what its events mean.

    A refusal is text like any other, but ends as CONTENT_FILTER, so that nobody takes it for the answer asked for.
    """

    end_marker: ClassVar[str | None] = None
    """The data of the last event, where that is no event of the format."""

    def __init__(self, source: str = "") -> None:
        self.source = source
        """Who answers; see phrases.state."""
        self.said = event_pb2.Delta()
        self.refused = False
        self.calls = Calls(self._tell)
        self.raw_finish_reason: str | None = None
        """The provider's own word for the end; None while none came."""
        self._usage: chat_pb2.Usage | None = None
        self._usage_is_new = False

    def read(self, data: str) -> bool:
        """Take in one event; return whether it is the format's end marker.

        Raises:
            ProviderError: the event is not one of the format's, or is an error.
        """
        if data == self.end_marker:
            return True
        try:
            return self.event(from_json(data, allow_inf_nan=False))
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            # Events are not checked against a schema, which would cost more than all the rest: what does not have
            # the right form fails where it is used.
            raise broken("sent an event that is not of its format") from error

    @abstractmethod
    def event(self, event: dict[str, Any]) -> bool:
        """Take in one event, of which nothing is known but that it is JSON; return whether it is the end marker."""

    def body_ended(self) -> None:
        """Take in the end of the body, without an end marker before it.

        Raises:
            ProviderError: the format has one.
        """
        raise broken("ended its stream without the end marker")

    def _tell(self, piece: event_pb2.ToolCallDelta) -> None:
        self.said.tool_calls.append(piece)

    def report(self, usage: chat_pb2.Usage) -> None:
        """Take in usage; a later report replaces an earlier one."""
        self._usage, self._usage_is_new = usage, True

    def take(self) -> event_pb2.Delta | None:
        """Return what was said since the last time, if anything was."""
        if not (self.said.token_count or self.said.tool_calls):
            return None
        said, self.said = self.said, event_pb2.Delta()
        return said

    def take_usage(self) -> chat_pb2.Usage | None:
        """Return the usage if it was reported since the last time."""
        usage = self._usage if self._usage_is_new else None
        self._usage_is_new = False
        return usage

    def finish(self) -> inference_pb2.Finished:
        """Return the end, once its marker has come.

        Raises:
            ProviderError: no finish reason came before it.
        """
        word = self.raw_finish_reason
        if word is None:
            raise broken("ended without a finish reason")
        reason = finish_reasons.meaning(word)
        # A call that was cut off before its arguments is not one that has none.
        self.calls.end(bare="" if reason == chat_pb2.FINISH_REASON_LENGTH else "{}")
        if self.refused and not finish_reasons.is_failure(word):
            reason = chat_pb2.FINISH_REASON_CONTENT_FILTER
        elif self.calls and reason == chat_pb2.FINISH_REASON_STOP:
            reason = chat_pb2.FINISH_REASON_TOOL_CALLS
        return inference_pb2.Finished(finish_reason=reason, usage=self._usage, raw_finish_reason=word)


class Reading:
    """Turns one response's body into steps.

    What one piece from the network says is taken together: cost is by the step, not by the token.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._events = EventStream()
        self.is_over = False
        """Whether the end has come: nothing behind it is part of the answer."""

    def read(self, chunk: bytes) -> list[Step]:
        """Return what a piece of the body says.

        Raises:
            ProviderError: it is not what it should be.
        """
        return self._steps(self._events.read(chunk))

    def end(self) -> list[Step]:
        """Return what the end of the body shows, unless the end had come before.

        Raises:
            ProviderError: the answer is not whole.
        """
        steps = self._steps(self._events.end())
        if self.is_over:
            return steps
        self._answer.body_ended()
        return [*steps, *self._finish()]

    def _steps(self, events: list[str]) -> list[Step]:
        if self.is_over:
            return []
        answer = self._answer
        for data in events:
            if answer.read(data):
                return self._finish()
        steps: list[Step] = []
        if said := answer.take():
            steps.append(said)
        if usage := answer.take_usage():
            steps.append(usage)
        return steps

    def _finish(self) -> list[Step]:
        self.is_over = True
        finished, said = self._answer.finish(), self._answer.take()
        return [said, finished] if said else [finished]
