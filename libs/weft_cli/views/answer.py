"""Writes an answer as it arrives, and marks what is withdrawn."""

import sys
from typing import TextIO

from weft_client.generation import Generation

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


async def print_answer(generation: Generation, to: TextIO | None = None, aside: TextIO | None = None) -> None:
    """Writes tokens as they arrive. Written text cannot be taken back, so after a withdrawal the rest is repeated.

    The model's reasoning goes to `aside`, or nowhere.
    """
    to = to or sys.stdout
    thoughts = _Thoughts(aside) if aside else None
    try:
        async for token in generation:
            if thoughts and (token.reasoning or token.withdrawn_reasoning):
                thoughts.write(token.reasoning, token.withdrawn_reasoning, generation.reasoning)
            if not (token.text or token.withdrawn):
                continue
            if thoughts:
                thoughts.pause()
            if token.withdrawn:
                to.write(f"\n[{token.withdrawn} characters withdrawn, starting over]\n{generation.text}")
            else:
                to.write(token.text)
            to.flush()
    finally:
        # Also when the answer breaks off, so that the error begins on a line of its own.
        if thoughts:
            thoughts.pause()
        if generation.text:
            to.write("\n")
            to.flush()


async def drain(generation: Generation) -> None:
    """Waits for the end without writing."""
    async for _ in generation:
        pass


class _Thoughts:
    """Writes reasoning as it arrives, on lines of its own, and dimmed on a terminal."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._dim, self._plain = (_DIM, _PLAIN) if to.isatty() else ("", "")
        self._in_a_line = False

    def write(self, new: str, withdrawn: int, whole: str) -> None:
        if withdrawn:
            new = f"\n[{withdrawn} characters of reasoning withdrawn]\n{whole}"
        self._to.write(f"{self._dim}{new}{self._plain}")
        self._to.flush()
        self._in_a_line = True

    def pause(self) -> None:
        """Ends the line before something else is written."""
        if self._in_a_line:
            self._to.write("\n\n")
            self._to.flush()
            self._in_a_line = False
