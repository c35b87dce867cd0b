"""Page tokens: where the next page begins, readable only by the list that gave them out."""

import base64
import binascii
import hashlib
import hmac

from weft.common.v1 import error_pb2
from weft_kit.errors import Invalid, InvalidFields

DEFAULT_SIZE = 50
MAX_SIZE = 1000
_SEAL_BYTES = 12


def page_size(given: int) -> int:
    """Returns the size to use; raises InvalidFields beyond 1 to 1000, where 0 means the default."""
    if not 0 <= given <= MAX_SIZE:
        raise InvalidFields({"page_size": f"must be 1 to {MAX_SIZE}, not {given}"})
    return given or DEFAULT_SIZE


def seal(after: str, *scope: str) -> str:
    """Makes the token of the page that begins after a key. `scope` is what the list is of: tenant, collection."""
    key = after.encode()
    return base64.urlsafe_b64encode(_seal_of(key, scope) + key).decode()


def unseal(token: str, *scope: str) -> str:
    """Returns the key to begin after, "" without a token; raises Invalid(INVALID_PAGE_TOKEN) for any other list's.

    The seal catches mistakes; it is no secret. A token grants nothing: the list itself checks whose it is.
    """
    if not token:
        return ""
    try:
        data = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        given, key = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
        if hmac.compare_digest(given, _seal_of(key, scope)):
            return key.decode()
    except (binascii.Error, UnicodeError):
        pass
    message = "page_token is not one this list gave out; start again without it"
    raise Invalid(error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN, message)


def _seal_of(key: bytes, scope: tuple[str, ...]) -> bytes:
    return hashlib.blake2b(
        key, key=hashlib.sha256("\0".join(scope).encode()).digest(), digest_size=_SEAL_BYTES
    ).digest()
