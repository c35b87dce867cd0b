"""A body that is not an event stream: one or several JSON values, from a server that does not stream."""

import json
import re

from weft_router.providers.provider import broken

MAX_BODY_BYTES = 2 * 1024 * 1024
"""More than the longest answers of today's models need, and still read quickly."""
_MOST_VALUES = 50_000
"""Even the smallest value costs time."""

_VALUE = re.compile(r"[\s,]*(?!\[DONE\])[{\[]")
_DECODER = json.JSONDecoder(strict=False)


class WholeBody:
    """Gathers the body, which is parsed at its end. Anything after its values, such as an end marker, is ignored."""

    def __init__(self) -> None:
        self._content = bytearray()

    @staticmethod
    def begins(chunk: bytes) -> bool:
        """Returns whether a body with this beginning is JSON; no event stream can begin like that."""
        return chunk.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")

    def read(self, chunk: bytes) -> list[str]:
        """Takes in a piece of the body.

        Raises:
            ProviderError: it grows beyond MAX_BODY_BYTES.
        """
        self._content += chunk
        if len(self._content) > MAX_BODY_BYTES:
            raise broken(f"answered with more than {MAX_BODY_BYTES} bytes that are no stream")
        return []

    def end(self) -> list[str]:
        """Returns the values.

        Raises:
            ProviderError: one is cut off or broken, or there are too many.
        """
        text = self._content.decode("utf-8-sig", "replace")
        values: list[str] = []
        place = 0
        while begins := _VALUE.match(text, place):
            if len(values) == _MOST_VALUES:
                raise broken(f"answered with more than {_MOST_VALUES} values that are no stream")
            begin = begins.end() - 1
            try:
                _, place = _DECODER.raw_decode(text, begin)
            except (ValueError, RecursionError):
                raise broken("answered with JSON that is cut off or broken") from None
            values.append(text[begin:place])
        return values
