"""Server-sent events out of bytes, whatever pieces those come in."""

import codecs

# The parsers behind httpx-sse's EventSource, which itself hands out one event at a time. A chunk from the network
# often holds many, and what follows costs by the step: taken together they cost a third less CPU a job.
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

from weft_router.providers.port import broken

MAX_EVENT_BYTES = 1024 * 1024


class EventStream:
    """Cuts one response's body into events.

    The parsers gather an event without a limit and never see wrong bytes, so both are refused before them.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._lines = SSELineDecoder()
        self._events = SSEDecoder()
        self._unfinished_bytes = 0

    def read(self, chunk: bytes) -> list[str]:
        """Return the data of the events that `chunk` completes.

        Raises:
            ProviderError: the bytes are not UTF-8, or an event grows beyond MAX_EVENT_BYTES.
        """
        try:
            text = self._utf8.decode(chunk)
        except UnicodeDecodeError:
            raise broken("sent bytes that are not UTF-8") from None
        events = self._cut(self._lines.decode(text)) if text else []
        self._unfinished_bytes = 0 if events else self._unfinished_bytes + len(chunk)
        if self._unfinished_bytes > MAX_EVENT_BYTES:
            raise broken(f"sent an event of more than {MAX_EVENT_BYTES} bytes")
        return events

    def end(self) -> list[str]:
        """Return the data of an event that only the end of the body shows to be complete."""
        return self._cut(self._lines.flush())

    def _cut(self, lines: list[str]) -> list[str]:
        return [event.data for line in lines if (event := self._events.decode(line)) is not None]
