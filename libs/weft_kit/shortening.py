"""Cuts texts to what an error or a log line may hold, with a note of how long they were."""

from bisect import bisect_right
from collections.abc import Callable
from string import printable
from urllib.parse import quote

# The characters of an error's text that gRPC sends as they are; every byte of any other takes three.
_PLAIN = "".join(sign for sign in printable if sign.isprintable() and sign != "%")


def shortened(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """Returns `text`, or as much of its beginning as fits into `most` with a note of how long it is."""
    if len(text) <= most and size(text) <= most:
        return text
    note = f"... ({len(text)} characters)"
    kept = bisect_right(range(most + 1), most - size(note), key=lambda length: size(text[:length])) - 1
    return text[: max(kept, 0)] + note


def cut_in_the_middle(text: str, most: int) -> str:
    """Returns `text`, or its beginning and its end, which are the useful parts of a traceback."""
    if len(text) <= most:
        return text
    note = f" ... ({len(text)} characters) ... "
    half = max(most - len(note), 0) // 2
    return f"{text[:half]}{note}{text[len(text) - half :]}"


def bytes_on_wire(text: str) -> int:
    """Returns the size of a text as `grpc-message`, which is percent-encoded; never less than its size as UTF-8."""
    return len(quote(text, safe=_PLAIN, errors="replace"))
