"""HTTP/1.1 in the few bytes the mock needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

LAST_CHUNK = b"0\r\n\r\n"
SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A complete request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class RequestReader:
    """Splits a connection's bytes into requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: HttpRequest | None = None

    def feed(self, data: bytes) -> Iterator[HttpRequest]:
        """Yields the requests that `data` completes.

        Raises:
            ValueError: a request is not HTTP/1.1, or its body comes in chunks.
        """
        self._buffer += data
        while request := self._next():
            yield request

    def _next(self) -> HttpRequest | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head = _parse_head(self._buffer[:end].decode("latin-1"))
            del self._buffer[: end + 4]
        length = int(self._head.headers.get("content-length", "0"))
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        head, self._head = self._head, None
        return HttpRequest(head.method, head.path, head.headers, body)


def _parse_head(head: str) -> HttpRequest:
    first, *lines = head.split("\r\n")
    method, path, version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if version != "HTTP/1.1" or "transfer-encoding" in headers:
        raise ValueError("only HTTP/1.1 with Content-Length is spoken here")
    return HttpRequest(method, path, headers, b"")


def stream_head(status: int, content_type: str) -> bytes:
    """Returns the head of a chunked answer."""
    return _head(status, content_type, "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n")


def whole(status: int, content_type: str, body: bytes, retry_after: str = "") -> bytes:
    """Returns an answer of known length."""
    wait = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    return _head(status, content_type, f"{wait}Content-Length: {len(body)}\r\n") + body


def chunk(data: bytes) -> bytes:
    """Returns data as one chunk of a chunked body; no data gives no chunk, because an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _head(status: int, content_type: str, lines: str) -> bytes:
    phrase = _PHRASES.get(status, "Scripted")
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\n{lines}\r\n".encode("latin-1")
