"""Reads an answer as it arrives, event by event, in any format, and accepts it only if it is complete."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pydantic_core import from_json

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.providers import finish_reasons
from weft_router.providers.counts import Counts
from weft_router.providers.http.event_stream import EventStream
from weft_router.providers.http.whole_body import WholeBody
from weft_router.providers.provider import ProviderError, Step, broken
from weft_router.providers.surrogates import Halves, marked
from weft_router.providers.tool_calls import ToolCalls

# The last is OpenAI's end marker, which proxies send in every format; the format's own end shows if all has come.
_SAY_NOTHING = ("ping", "pong", "heartbeat", "keepalive", "keep-alive", "[done]")


class Answer(ABC):
    """Reads the data of one stream's events, in order; a subclass for each format interprets its events.

    A refusal is passed on as text, but ends as CONTENT_FILTER, so that it is not taken for the requested answer.
    """

    end_marker: ClassVar[str | None] = None
    """The data of an end marker that is not an event of the format."""

    def __init__(self, counts: Counts, source: str = "") -> None:
        self.counts = counts
        self.source = source
        """Who answers; see encoding.state."""
        self.said = event_pb2.Delta()
        """The new tokens and calls."""
        # One piece from the network may hold very many texts; joining them one by one would take quadratic time.
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.has_said = False
        """Whether anything came before the new part."""
        self.refused = False
        self.calls = ToolCalls(self._tell)
        self.raw_finish_reason: str | None = None
        """The provider's own word for the end; None until one came."""
        self._counts_are_new = False
        self._halves: Halves | None = None

    def read(self, data: str) -> bool:
        """Takes in one event; returns whether it is the format's end marker.

        A value that is not an object is ignored; a list holds events.

        Raises:
            ProviderError: the event cannot be read, or is an error.
        """
        if data == self.end_marker:
            return True
        try:
            event = from_json(data)
        except (ValueError, TypeError):  # TypeError if the text holds half of a character
            event = self._strange(data)
        try:
            return self.event(event) if type(event) is dict else self._several(event)
        except KeyError as error:
            raise broken(f"sent an event without {_named(error, data)}") from error
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            # Events are not checked against a schema, which would cost more than everything else. A wrong form that
            # has no message of its own fails where it is used.
            raise broken("sent an event that is not of its format") from error

    @abstractmethod
    def event(self, event: dict[str, Any]) -> bool:
        """Takes in one event, which is some JSON object; returns whether it is the end marker."""

    def body_ended(self) -> None:
        """Takes in the end of a body without an end marker.

        Some servers send none. If the finish reason came as the last part of the model's output, nothing is missing.

        Raises:
            ProviderError: the answer may not be complete.
        """
        if not self.raw_finish_reason:
            raise broken("ended its stream without the end marker")

    def say(self, text: str) -> None:
        """Takes in a token of text; an empty one does not count."""
        if text:
            self.texts.append(text)
            self.said.token_count += 1

    def think(self, text: str) -> None:
        """Takes in a token of reasoning; an empty one does not count."""
        if text:
            self.reasoning.append(text)
            self.said.token_count += 1

    def _tell(self, piece: event_pb2.ToolCallDelta) -> None:
        self.said.tool_calls.append(piece)

    def count(self, counted: Any) -> None:
        """Takes in an event's counts, under the format's names."""
        if counted and self.counts.take(counted):
            self._counts_are_new = True

    def take(self) -> event_pb2.Delta | None:
        """Returns the text and calls since the last time, if any."""
        if not (self.said.token_count or self.said.tool_calls):
            return None
        said, self.said = self.said, event_pb2.Delta()
        said.text, said.reasoning = "".join(self.texts), "".join(self.reasoning)
        self.texts, self.reasoning = [], []
        self.has_said = True
        if self._halves and not self._halves.join(said):
            self.said.token_count = said.token_count
            return None
        return said

    def take_last(self) -> event_pb2.Delta | None:
        """Returns what is left to emit after the end."""
        said = self.take()
        if self._halves:
            said = said or self.said
            self._halves.release(said)
        return said if said and said.ByteSize() else None

    def take_usage(self) -> chat_pb2.Usage | None:
        """Returns the usage if something was counted since the last time."""
        usage = self.counts.usage() if self._counts_are_new else None
        self._counts_are_new = False
        return usage

    def _strange(self, data: str) -> Any:
        """Returns the content of data that is not valid JSON as it is; None if it carries nothing, as a keep-alive.

        Raises:
            ProviderError: it cannot be an event.
        """
        word = data.strip()
        if word == self.end_marker:
            return word
        if not word or word.lower() in _SAY_NOTHING:
            return None
        try:
            event = from_json(marked(data))
        except ValueError as error:
            if "\n" in word:  # events without blank lines between them
                return [self._line(line) for line in word.split("\n")]
            raise broken("sent an event that is not JSON") from error
        self._halves = self._halves or Halves()
        return event

    def _line(self, line: str) -> Any:
        try:
            return from_json(line)
        except (ValueError, TypeError):
            return self._strange(line)

    def _several(self, event: Any) -> bool:
        """Takes in data other than an event: a list of events, the end marker as a JSON string, or nothing."""
        if isinstance(event, list):
            return any(self.event(each) if isinstance(each, dict) else self._several(each) for each in event)
        return event is not None and event == self.end_marker

    def finish(self) -> inference_pb2.Finished:
        """Returns the end of the answer, once its marker has come.

        Raises:
            ProviderError: no finish reason came before it.
        """
        word = self.raw_finish_reason
        if word is None:
            raise broken("ended without a finish reason")
        reason = finish_reasons.meaning(word)
        # A call that was cut off before its arguments is not a call without arguments.
        self.calls.end(bare="" if reason == chat_pb2.FINISH_REASON_LENGTH else "{}")
        if self.refused and not finish_reasons.is_failure(word):
            reason = chat_pb2.FINISH_REASON_CONTENT_FILTER
        elif self.calls and reason == chat_pb2.FINISH_REASON_STOP:
            reason = chat_pb2.FINISH_REASON_TOOL_CALLS
        return inference_pb2.Finished(finish_reason=reason, usage=self.counts.usage(), raw_finish_reason=word)


def _named(error: KeyError, data: str) -> str:
    """Returns words for the missing field; a name that occurs in the event is not shown, for it may be content."""
    name = error.args[0]
    return f"its field {name}" if isinstance(name, str) and name not in data else "one that it belongs to"


class StreamReader:
    """Turns one response's body into steps.

    The contents of one piece from the network become one step, since the cost is per step, not per token. Text before a
    failure is emitted before it, because it was paid for.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._events: EventStream | WholeBody | None = None
        """Reads the body; unknown until its first bytes are here."""
        self._has_events = False
        self.is_over = False
        """Whether the end has come: nothing after it is part of the answer."""

    def read(self, chunk: bytes) -> Iterable[Step]:
        """Returns the steps in a piece of the body.

        Raises:
            ProviderError: it breaks the format.
        """
        return self._steps((self._events or self._begin(chunk)).read(chunk))

    def end(self) -> Iterator[Step]:
        """Yields the steps that the end of the body adds; none if the answer had ended before.

        Raises:
            ProviderError: the answer is not complete.
        """
        yield from self._steps(self._events.end() if self._events else [])
        if not self._has_events:
            raise broken("answered with nothing that is an event")
        if not self.is_over:
            self._answer.body_ended()
            yield from self._finish()

    def _begin(self, chunk: bytes) -> "EventStream | WholeBody":
        reader = WholeBody() if WholeBody.begins(chunk) else EventStream()
        # Blanks may come before either.
        self._events = reader if chunk.strip() else None
        return reader

    def _steps(self, events: list[str]) -> Iterable[Step]:
        if self.is_over:
            return ()
        if events:
            self._has_events = True
        read = self._answer.read
        try:
            for data in events:
                if read(data):
                    return self._finish()
        except ProviderError as failure:
            return self._until(failure)
        return self._said()

    def _said(self) -> list[Step]:
        steps: list[Step] = []
        if said := self._answer.take():
            steps.append(said)
        if usage := self._answer.take_usage():
            steps.append(usage)
        return steps

    def _until(self, failure: ProviderError) -> Iterator[Step]:
        yield from self._said()
        raise failure

    def _finish(self) -> list[Step]:
        self.is_over = True
        finished, said = self._answer.finish(), self._answer.take_last()
        return [said, finished] if said else [finished]
