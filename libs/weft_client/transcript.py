"""The text of a job as its events tell it: appended, withdrawn, and checked against its hash at the end."""

import hashlib
from dataclasses import dataclass

from weft.job.v1 import event_pb2


class CorruptAnswer(Exception):
    """The text that arrived is not the text whose hash the job's record holds."""


@dataclass(frozen=True)
class Token:
    """New text. First take back the last `withdrawn` characters: an attempt started over, or a repeat said more."""

    text: str
    withdrawn: int = 0


class Transcript:
    """Folds one job's events. Events at or before `last_sequence` are repeats and change nothing."""

    def __init__(self, last_sequence: int = 0) -> None:
        self.job_id = ""
        self.last_sequence = last_sequence
        self.done: event_pb2.Done | None = None
        self._pieces: list[tuple[int, str]] = []
        # Began in the middle: what came before is unknown, so `done` cannot be compared with what was read.
        self._whole = last_sequence == 0

    @property
    def text(self) -> str:
        return "".join(text for _, text in self._pieces)

    def apply(self, event: event_pb2.JobEvent) -> Token | None:
        """Takes the next event; returns what it changes in the text, if anything.

        Raises:
            CorruptAnswer: `done` carries another text than the one its hash was made from.
        """
        if event.sequence <= self.last_sequence:
            return None
        self.job_id = event.job_id
        self.last_sequence = event.sequence
        match event.WhichOneof("event"):
            case "delta":
                self._pieces.append((event.sequence, event.delta.text))
                return Token(event.delta.text) if event.delta.text else None
            case "rewound":
                return self._rewind(event.rewound.to_sequence)
            case "done":
                return self._finish(event.done)
        return None

    def _rewind(self, to_sequence: int) -> Token | None:
        withdrawn = sum(len(text) for sequence, text in self._pieces if sequence > to_sequence)
        self._pieces = [piece for piece in self._pieces if piece[0] <= to_sequence]
        return Token("", withdrawn) if withdrawn else None

    def _finish(self, done: event_pb2.Done) -> Token | None:
        whole = done.answer.text
        if done.text_hash and hashlib.sha256(whole.encode()).hexdigest() != done.text_hash:
            raise CorruptAnswer(f"the text of job {self.job_id} does not match its hash; read it again with GetJob")
        self.done = done
        if not self._whole:
            return None
        # A job answered from the cache, or read after its deltas expired, comes as a lone `done`.
        before = self.text
        self._pieces = [(self.last_sequence, whole)]
        kept = _shared(before, whole)
        return Token(whole[kept:], withdrawn=len(before) - kept) if before != whole else None


def _shared(one: str, other: str) -> int:
    """Counts the characters both begin with."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
