"""Server-sent events, parsed from bytes in pieces of any size."""

import codecs
import json

from weft_router.providers.provider import ProviderError, broken

MAX_EVENT_BYTES = 1024 * 1024

_DATA = "data: "
_NO_NAMES = ("", "message")  # `message` is the default name of an event


class EventStream:
    """Splits one response's body into the data of its events (WHATWG HTML, "Server-sent events").

    Ids and retry times are ignored, since no provider uses them. A piece from the network often holds many events, and
    each later step has a cost, so they are returned together. This, and splitting only events of several lines, takes
    half the time of a parser that goes line by line.
    """

    def __init__(self) -> None:
        # Half of a character may come as bytes, too; the reader of the format joins the halves.
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")("surrogatepass")
        self._rest: list[str] = []
        """Pieces of an incomplete event, with lines ending in LF."""
        self._rest_bytes = 0
        self._after_cr = False

    def read(self, chunk: bytes) -> list[str]:
        """Returns the data of the events that `chunk` completes; those without data are ignored.

        Raises:
            ProviderError: the bytes are not UTF-8, or an event grows beyond MAX_EVENT_BYTES.
        """
        events = self._cut(self._decoded(chunk))
        seen = self._rest_bytes + len(chunk)
        if seen > MAX_EVENT_BYTES and not (events and all(_is_bearable(event) for event in events)):
            raise _too_large()
        self._rest_bytes = 0 if events else seen
        return events

    def end(self) -> list[str]:
        """Returns the data of a last event that has no blank line after it.

        Whether the data is complete shows when it is parsed.

        Raises:
            ProviderError: the body ends inside a character.
        """
        data = _data("".join(self._rest) + self._decoded(b"", final=True))
        return [data] if data else []

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            text = self._utf8.decode(chunk, final)
        except UnicodeDecodeError:
            raise broken("sent bytes that are not UTF-8") from None
        return self._with_lf(text) if "\r" in text or self._after_cr else text

    def _with_lf(self, text: str) -> str:
        """Returns the text with lines ending in LF. If a CRLF is split between pieces, its CR has ended the line."""
        if not text:
            return text
        if self._after_cr:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _cut(self, text: str) -> list[str]:
        rest = self._rest
        if "\n\n" not in text and not (rest and text.startswith("\n") and rest[-1].endswith("\n")):
            if text:
                rest.append(text)
            return []
        if rest:
            text = "".join((*rest, text))
        *events, left = text.split("\n\n")
        self._rest = [left] if left else []
        return [data for event in events if (data := _data(event))]


def _data(event: str) -> str:
    if event.startswith(_DATA) and "\n" not in event:
        return event[len(_DATA) :]
    fields = [line.partition(":") for line in event.split("\n")]
    data = "\n".join(value.removeprefix(" ") for name, _, value in fields if name == "data")
    if data.startswith("{") and not data.startswith('{"type"'):
        return _typed(data, next((value.strip() for name, _, value in fields if name == "event"), ""))
    return data


def _typed(data: str, name: str) -> str:
    """Returns an object without a type with the event's name as its type, which some servers give only there."""
    if name in _NO_NAMES:
        return data
    rest = data[1:].lstrip()
    return f'{{"type": {json.dumps(name)}{"" if rest.startswith("}") else ", "}{rest}'


def _is_bearable(data: str) -> bool:
    return len(data.encode(errors="surrogatepass")) <= MAX_EVENT_BYTES


def _too_large() -> ProviderError:
    return broken(f"sent an event of more than {MAX_EVENT_BYTES} bytes")
