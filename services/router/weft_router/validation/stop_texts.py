"""Stop texts, applied by the router: some providers accept only a few or none, and some pass on the stop text."""

from collections.abc import Sequence

from weft.job.v1 import event_pb2


class StopTexts:
    """Ends the text of an answer before the stop text that is complete first, however the text is cut into pieces.

    Text that may be the beginning of a stop text is held back until more comes.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._held = event_pb2.Delta()
        self.is_met = False
        """Whether a stop text came: nothing after it is part of the answer."""

    def passing(self, delta: event_pb2.Delta) -> event_pb2.Delta:
        """Returns what may be passed on after a delta: the delta itself if no stop text affects it."""
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
        """Returns what is still held back, at the end of the answer."""
        held, self._held = self._held, event_pb2.Delta()
        return held

    def _end(self, text: str) -> int | None:
        """Returns the end of the text: the start of the stop text that is complete first; None if there is none."""
        found = [(start + len(stop), start) for stop in self._texts if (start := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _beginning(self, text: str) -> int:
        """Returns the length of the text's end that may begin a stop text."""
        return max(_overlap(text, stop) for stop in self._texts)


def _overlap(text: str, stop: str) -> int:
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
