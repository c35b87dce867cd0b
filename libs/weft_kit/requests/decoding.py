"""Decodes a method's request from bytes, or says why that is impossible."""

import asyncio
import zlib
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import DecodeError

from weft.common.v1 import error_pb2
from weft_kit.requests.limits import too_large
from weft_kit.rpc.errors import Invalid

# No protobuf message begins like this: as a tag, the first byte would have a wire type that does not exist.
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31


def decoded(message: bytes, decode: Callable[[bytes], Any] | None) -> Any:
    """Returns the decoded message, or its bytes without `decode`. Raises Invalid if it cannot be decoded."""
    if decode is None:
        return message
    try:
        return decode(message)
    except DecodeError:
        raise _unreadable("the request is not the message that this method takes") from None


def is_compressed(message: bytes) -> bool:
    return message.startswith(_GZIP)


async def inflated(message: bytes, limit_bytes: int) -> bytes:
    """Returns a message decompressed. Raises Invalid if that is impossible or exceeds the limit."""
    return await asyncio.to_thread(_inflated, message, limit_bytes)


def _inflated(message: bytes, limit_bytes: int) -> bytes:
    """Decompresses up to the limit; gRPC would go on, to a thousand times a message's size."""
    inflating = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflating.decompress(message, limit_bytes + 1)
    except zlib.error:
        raise _unreadable("the request is compressed, and cannot be inflated") from None
    if len(plain) > limit_bytes:
        raise too_large(len(plain), limit_bytes)
    if not inflating.eof:
        raise _unreadable("the request is compressed, and its end is missing")
    return plain


def no_request() -> Invalid:
    """Returns the refusal of a call that ended before its request."""
    return _unreadable("the call has no request")


def _unreadable(problem: str) -> Invalid:
    message = f"{problem}; check that client and server have the same protos, and that texts are UTF-8"
    return Invalid(error_pb2.ERROR_REASON_UNREADABLE_REQUEST, message)
