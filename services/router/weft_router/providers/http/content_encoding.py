"""Decompresses responses: some servers compress them although the request asks for plain ones."""

import asyncio
import zlib
from collections.abc import AsyncIterator

import httpx

from weft_router.providers.provider import broken

_PIECE_BYTES = 64 * 1024
_MOST_BYTES = 256 * 1024 * 1024
_SAYS_NOTHING = ("", "identity", "none", "utf-8")
# zlib's own header and gzip's: RFC 9110, section 8.4.1.
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def plain(response: httpx.Response) -> AsyncIterator[bytes]:
    """Returns the body in pieces. A compressed one is inflated, up to a limit.

    Raises:
        ProviderError: the compression is unknown; while reading, also if the body is broken or too large.
    """
    told = response.headers.get("content-encoding", "").lower().split(",")
    encodings = [encoding for each in told if (encoding := each.strip()) not in _SAYS_NOTHING]
    if not encodings:
        return response.aiter_raw()
    if len(encodings) > 1 or encodings[0] not in _WINDOW_BITS:
        raise broken("compressed what was asked for as it is, with another encoding than gzip or deflate")
    return _inflated(response, zlib.decompressobj(_WINDOW_BITS[encodings[0]]))


async def _inflated(response: httpx.Response, inflating: "zlib._Decompress") -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.aiter_raw():
        rest = chunk
        while rest:
            try:
                piece = inflating.decompress(rest, _PIECE_BYTES)
            except zlib.error:
                raise broken("compressed what cannot be inflated") from None
            rest = inflating.unconsumed_tail
            size += len(piece)
            if size > _MOST_BYTES:
                raise broken(f"compressed more than {_MOST_BYTES} bytes")
            yield piece
            # A small chunk may inflate to very many pieces.
            await asyncio.sleep(0)
