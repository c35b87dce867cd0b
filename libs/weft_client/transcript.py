"""The text of a job, built from its events: appended, withdrawn, and checked against its hash at the end."""

import hashlib
from dataclasses import dataclass

from weft.job.v1 import event_pb2


class CorruptAnswer(Exception):
    """The text that arrived does not match the hash in the job's record."""


@dataclass(frozen=True)
class Token:
    """New text. First remove the last `withdrawn` characters: an attempt started over, or a repeat had more text.

    `reasoning` is not part of the text; `withdrawn_reasoning` is the same as `withdrawn` for it.
    """

    text: str
    withdrawn: int = 0
    reasoning: str = ""
    withdrawn_reasoning: int = 0


@dataclass(frozen=True)
class _Piece:
    sequence: int
    text: str
    reasoning: str


class Transcript:
    """Builds a job's text from its events. Events at or before `last_sequence` are repeats, and change nothing."""

    def __init__(self, last_sequence: int = 0) -> None:
        self.job_id = ""
        self.last_sequence = last_sequence
        self.done: event_pb2.Done | None = None
        self._pieces: list[_Piece] = []
        # If reading began in the middle, earlier text is unknown, and `done` cannot be compared with what was read.
        self._whole = last_sequence == 0

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self._pieces)

    @property
    def reasoning(self) -> str:
        return "".join(piece.reasoning for piece in self._pieces)

    def apply(self, event: event_pb2.JobEvent) -> Token | None:
        """Applies the next event; returns what it changes in the text or the reasoning, if anything.

        Raises:
            CorruptAnswer: the text in `done` does not match its hash.
        """
        if event.sequence <= self.last_sequence:
            return None
        self.job_id = event.job_id
        self.last_sequence = event.sequence
        match event.WhichOneof("event"):
            case "delta":
                return self._append(event.delta)
            case "rewound":
                kept = [piece for piece in self._pieces if piece.sequence <= event.rewound.to_sequence]
                return self._become(kept)
            case "done":
                return self._finish(event.done)
        return None

    def _append(self, delta: event_pb2.Delta) -> Token | None:
        self._pieces.append(_Piece(self.last_sequence, delta.text, delta.reasoning))
        return Token(delta.text, reasoning=delta.reasoning) if delta.text or delta.reasoning else None

    def _finish(self, done: event_pb2.Done) -> Token | None:
        whole = done.answer.text
        if done.text_hash and hashlib.sha256(whole.encode()).hexdigest() != done.text_hash:
            raise CorruptAnswer(f"the text of job {self.job_id} does not match its hash; read it again with GetJob")
        self.done = done
        if not self._whole:
            return None
        # A job answered from the cache, or read after its deltas expired, comes as a single `done`.
        return self._become([_Piece(self.last_sequence, whole, done.answer.reasoning)])

    def _become(self, pieces: list[_Piece]) -> Token | None:
        """Replaces text and reasoning with these pieces; returns the difference, if there is one."""
        text, reasoning = self.text, self.reasoning
        self._pieces = pieces
        new_text, withdrawn = _difference(text, self.text)
        new_reasoning, withdrawn_reasoning = _difference(reasoning, self.reasoning)
        token = Token(new_text, withdrawn, new_reasoning, withdrawn_reasoning)
        return None if token == Token("") else token


def _difference(before: str, after: str) -> tuple[str, int]:
    """Returns the difference between two texts: how many characters to remove, and what to append then."""
    kept = _shared(before, after)
    return after[kept:], len(before) - kept


def _shared(one: str, other: str) -> int:
    """Returns how many characters two texts have in common at the beginning."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
