"""Writes an answer while it grows, and takes back what is withdrawn."""

import sys
from typing import TextIO

from weft_client.generation import Generation


async def print_answer(generation: Generation, to: TextIO | None = None) -> None:
    """Writes tokens as they come; text written already cannot be taken back, so what stands is written again."""
    to = to or sys.stdout
    try:
        async for token in generation:
            if token.withdrawn:
                to.write(f"\n[{token.withdrawn} characters withdrawn, starting over]\n{generation.text}")
            else:
                to.write(token.text)
            to.flush()
    finally:
        # Also when it breaks off: what is said about that begins on a line of its own.
        if generation.text:
            to.write("\n")
            to.flush()


async def drain(generation: Generation) -> None:
    """Waits for the end without writing."""
    async for _ in generation:
        pass
