"""The output of a shared call, from its beginning, for listeners that join at any time."""

import asyncio

from weft.job.v1 import event_pb2
from weft_kit.joblog import Step


class ReplayBuffer:
    """Takes steps in place of a job's log. Each has a number, from 1."""

    def __init__(self, *opening: Step) -> None:
        self.steps = list(opening)
        self.is_over = False
        self._heard = 0
        self._grew = asyncio.Event()
        self._was_heard = asyncio.Event()

    @property
    def last_sequence(self) -> int:
        """The number of the last step; 0 when there is none."""
        return len(self.steps)

    async def append(self, step: Step, /) -> int:
        """Returns the step's number.

        For the beginning of an attempt, it returns once a listener has recorded it: only then may a provider be called.
        """
        self.steps.append(step)
        number = len(self.steps)
        self._grew.set()
        while isinstance(step, event_pb2.Started) and self._heard < number:
            self._was_heard.clear()
            await self._was_heard.wait()
        return number

    def end(self) -> None:
        """Says that no step follows."""
        self.is_over = True
        self._grew.set()

    def heard(self, number: int) -> None:
        """Notes that a listener has recorded everything up to this step."""
        self._heard = max(self._heard, number)
        self._was_heard.set()

    async def after(self, number: int) -> Step | None:
        """Returns the step after this one, once it is there; None when there will be none."""
        while number >= len(self.steps) and not self.is_over:
            self._grew.clear()
            await self._grew.wait()
        return self.steps[number] if number < len(self.steps) else None

    def so_far(self) -> list[Step]:
        """Returns what a new listener needs: the current attempt, and the text so far."""
        started: event_pb2.Started | None = None
        text = event_pb2.Delta()
        for step in self.steps:
            match step:
                case event_pb2.Started():
                    started = step
                case event_pb2.Rewound():
                    text = event_pb2.Delta()
                case event_pb2.Delta():
                    merge(text, step)
        found: list[Step] = [started] if started else []
        return [*found, text] if text.ByteSize() else found


def merge(text: event_pb2.Delta, delta: event_pb2.Delta) -> None:
    """Appends a delta to another."""
    text.text += delta.text
    text.reasoning += delta.reasoning
    text.token_count += delta.token_count
    text.tool_calls.extend(delta.tool_calls)
