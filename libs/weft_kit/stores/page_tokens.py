"""Pages of a list: their size, and signed tokens that say where the next page begins."""

import binascii
import hashlib
import hmac
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from typing import Final

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Invalid, InvalidFields

_DEFAULT_SIZE: Final = 50
_LARGEST_SIZE: Final = 1000
_SEAL_BYTES: Final = hashlib.sha256().digest_size
# The longest position is a document's id: 512 characters of up to four bytes.
_LONGEST: Final = 4096


def page_size(asked: int) -> int:
    """Returns the number of items per page, 1-1000; 0 means 50. Raises InvalidFields for anything else."""
    if not 0 <= asked <= _LARGEST_SIZE:
        raise InvalidFields({"page_size": f"must be 1-{_LARGEST_SIZE}, or 0 for {_DEFAULT_SIZE}; is {asked}"})
    return asked or _DEFAULT_SIZE


class PageTokens:
    """Makes and reads tokens: a position, signed with HMAC-SHA256 together with the list's scope.

    `read_key` fetches the key, which all replicas share, when it is first needed.
    """

    def __init__(self, read_key: Callable[[], Awaitable[bytes]]) -> None:
        self._read_key = read_key
        self._key = b""

    async def write(self, position: str, *scope: str) -> str:
        """Returns the token of the page that begins after a position; "" for "", which means that no page follows.

        `scope` is what must be the same from page to page: which list, whose, and how it is filtered.
        """
        if not position:
            return ""
        text = position.encode()
        return urlsafe_b64encode(await self._seal(text, scope) + text).decode().rstrip("=")

    async def read(self, token: str, *scope: str) -> str:
        """Returns the position to begin after; "" without a token. Raises Invalid for a token of another list."""
        if not token:
            return ""
        sealed = _decoded(token)
        seal, text = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, await self._seal(text, scope)):
            message = "page_token is not one this list gave out; send all other fields unchanged, or begin without it"
            raise Invalid(error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN, message)
        return text.decode()

    async def _seal(self, text: bytes, scope: tuple[str, ...]) -> bytes:
        if not self._key:
            self._key = await self._read_key()
        # JSON keeps ("a", "bc") apart from ("ab", "c").
        return hmac.digest(self._key, json.dumps(scope).encode() + text, "sha256")


def _decoded(token: str) -> bytes:
    """Returns a token's bytes; none if it cannot be a token."""
    if len(token) > _LONGEST:
        return b""
    try:
        return b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):  # ValueError for what is not ASCII
        return b""
