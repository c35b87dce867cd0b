"""Stop texts, kept to by the router: some providers take a few, some take none, and some pass on what they met."""

from collections.abc import Sequence

from weft.job.v1 import event_pb2


class StopTexts:
    """Ends the text of an answer where the first of its stop texts is complete, wherever its pieces are cut.

    What may yet turn out to begin a stop text is held back until more is said.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._held = event_pb2.Delta()
        self.is_met = False
        """Whether the answer has ended: nothing behind it is part of it."""

    def passing(self, delta: event_pb2.Delta) -> event_pb2.Delta:
        """Returns what may be told once a delta is said: the delta itself where no stop text concerns it."""
        if not self._texts or not (delta.text or self._held.text):
            return delta
        text = self._held.text + delta.text
        passing = event_pb2.Delta()
        passing.CopyFrom(delta)
        passing.token_count += self._held.token_count
        self._held = event_pb2.Delta()
        if (end := self._end(text)) is not None:
            self.is_met = True
            passing.text = text[:end]
            del passing.tool_calls[:]
            return passing
        passing.text = text[: len(text) - self._beginning(text)]
        self._held.text = text[len(passing.text) :]
        if not (passing.text or passing.reasoning or passing.tool_calls):
            self._held.token_count, passing.token_count = passing.token_count, 0
        return passing

    def rest(self) -> event_pb2.Delta:
        """Returns what is held back still, now that nothing follows."""
        held, self._held = self._held, event_pb2.Delta()
        return held

    def _end(self, text: str) -> int | None:
        """Returns where the text ends: before the stop text that is complete first, whatever the pieces it came in."""
        found = [(start + len(stop), start) for stop in self._texts if (start := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _beginning(self, text: str) -> int:
        """Returns how much of the text's end begins a stop text."""
        return max(_overlap(text, stop) for stop in self._texts)


def _overlap(text: str, stop: str) -> int:
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
