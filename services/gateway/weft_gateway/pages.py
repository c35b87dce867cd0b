"""Pages of a list: how large they are, and where the next one begins."""

import base64
import binascii
import hashlib
import json
from datetime import datetime
from typing import Final

from weft.common.v1 import error_pb2
from weft_kit.errors import Invalid, InvalidFields

_DEFAULT_SIZE: Final = 50
_LARGEST_SIZE: Final = 1000

Position = tuple[datetime, str]
"""Where a page ends: time and id of its last item."""


def page_size(asked: int) -> int:
    """Items a page, 1-1000; 0 means 50. InvalidFields for anything else."""
    if not 0 <= asked <= _LARGEST_SIZE:
        raise InvalidFields({"page_size": f"must be 1-{_LARGEST_SIZE}, or 0 for {_DEFAULT_SIZE}; is {asked}"})
    return asked or _DEFAULT_SIZE


def read_position(token: str, filters: object) -> Position | None:
    """The position a page token holds; None for the first page."""
    position = read_token(token, filters)
    if position is None:
        return None
    try:
        return datetime.fromisoformat(position[0]), position[1]
    except ValueError:
        message = "page_token is damaged; send `next_page_token` as it was"
        raise Invalid(error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN, message) from None


def write_position(position: Position | None, filters: object) -> str:
    """The page token of a position; empty when there is no further page."""
    return write_token(filters, (position[0].isoformat(), position[1])) if position else ""


def write_token(filters: object, position: tuple[str, str]) -> str:
    """An opaque token for the page after `position`, good only with the same filters.

    It is not signed: it holds a position, and who may read what is decided by the query, never by the token.
    """
    return base64.urlsafe_b64encode(json.dumps([_mark(filters), *position]).encode()).decode().rstrip("=")


def read_token(token: str, filters: object) -> tuple[str, str] | None:
    """The position a token holds, None for the first page; Invalid when this list did not give it out."""
    if not token:
        return None
    try:
        mark, first, second = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        mark, first, second = "", "", ""
    if mark != _mark(filters) or not (_is_stored(first) and _is_stored(second)):
        raise Invalid(
            error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN,
            "page_token is not one this list gave out; send `next_page_token` as it was, all other fields unchanged",
        )
    return first, second


def check_texts(**fields: str) -> None:
    """Raises InvalidFields for texts that PostgreSQL cannot even compare with: nothing it stores contains a NUL."""
    if violations := {name: "must not contain NUL" for name, text in fields.items() if "\0" in text}:
        raise InvalidFields(violations)


def _is_stored(position: object) -> bool:
    return isinstance(position, str) and "\0" not in position


def _mark(filters: object) -> str:
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:16]
