"""Calls written by hand, frame by frame: what no client library sends."""

import asyncio
from collections.abc import Sequence

_DATA, _HEADERS, _RST, _SETTINGS, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 7, 9
_END_STREAM, _END_HEADERS = 1, 4
_LARGEST_FRAME = 16_384

Pair = tuple[bytes, bytes]


def message(content: bytes, *, length: int | None = None, flag: int = 0) -> bytes:
    """A gRPC message, or the beginning of one that claims to be longer."""
    return bytes([flag]) + (len(content) if length is None else length).to_bytes(4, "big") + content


class Connection:
    """One connection, over which calls are sent half or whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._next_stream = 1

    @classmethod
    async def opened(cls, address: str) -> "Connection":
        host, _, port = address.rpartition(":")
        connection = cls(*await asyncio.open_connection(host, int(port)))
        connection._writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b""))
        return connection

    def call(self, path: bytes, body: bytes | None = None, *, more: Sequence[Pair] = (), **changed: bytes) -> int:
        """Sends a call's header, and its whole body; None leaves the call open. Returns the stream's number."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        pairs = {
            b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"weft",
            b"content-type": b"application/grpc", b"te": b"trailers",
        }  # fmt: skip
        pairs |= {name.replace("_", "-").encode(): value for name, value in changed.items()}
        block = b"".join(_literal(*pair) for pair in (*pairs.items(), *more))
        for start in range(0, len(block), _LARGEST_FRAME):
            end = start + _LARGEST_FRAME
            flags = _END_HEADERS if end >= len(block) else 0
            self._writer.write(_frame(_CONTINUATION if start else _HEADERS, flags, stream, block[start:end]))
        if body is not None:
            self.send(stream, body, is_last=True)
        return stream

    def send(self, stream: int, body: bytes, *, is_last: bool = False) -> None:
        self._writer.write(_frame(_DATA, _END_STREAM if is_last else 0, stream, body))

    async def answer(self) -> bytes:
        """Returns all that comes until a stream or the connection is ended by the server."""
        received = b""
        while head := await self._reader.readexactly(9):
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            received += await self._reader.readexactly(length)
            if kind in (_RST, _GOAWAY) or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                break
        return received

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    """HPACK's string without Huffman: its length is an integer with a prefix of 7 bits."""
    length, more = len(text), b""
    if length < 127:
        return bytes([length]) + text
    length -= 127
    while length >= 128:
        more += bytes([length % 128 | 128])
        length //= 128
    return b"\x7f" + more + bytes([length]) + text
