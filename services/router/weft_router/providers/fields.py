"""Reads fields of an event in every form whose meaning is clear; otherwise the failure names the field.

A wrong value is reported only by its type, since an error must not quote the answer.
"""

from typing import Any

from weft.common.v1 import error_pb2
from weft_router.providers.provider import ProviderError, Remedy

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
_THOUGHTS = ("text", "thinking", "summary", "content", "reasoning", "reasoning_content")


def unreadable(field: str, found: Any, wanted: str) -> ProviderError:
    """Returns the failure of an event with a field of the wrong type, which the server would send in every answer."""
    kind = _KINDS.get(type(found), "null")
    message = f"the provider sent {kind} as {field}, where {wanted} belongs; look at the provider itself"
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN, message, Remedy.ANOTHER_PROVIDER)


def text(holder: dict[str, Any], name: str, field: str = "") -> str:
    """Returns a text, empty if it is null or missing."""
    found = holder.get(name)
    if type(found) is str:
        return found
    if found is None:
        return ""
    raise unreadable(field or name, found, "text")


def mapping(holder: dict[str, Any], name: str, field: str = "") -> dict[str, Any]:
    """Returns an object, empty if it is null or missing."""
    found = holder.get(name)
    if type(found) is dict:
        return found
    if found is None:
        return {}
    raise unreadable(field or name, found, "an object")


def mappings(holder: dict[str, Any], name: str, field: str = "") -> list[dict[str, Any]]:
    """Returns the objects of a list, or a single object as a list; null and missing are empty."""
    found = holder.get(name)
    if type(found) is list:
        return [each for each in found if type(each) is dict]
    if found is None:
        return []
    if isinstance(found, dict):
        return [found]
    raise unreadable(field or name, found, "a list")


def thoughts(found: Any, field: str) -> str:
    """Returns reasoning that may be text, an object, or a list of these; encrypted reasoning has no text."""
    match found:
        case None:
            return ""
        case str():
            return found
        case list():
            return "".join(thoughts(each, field) for each in found)
        case dict():
            return next((thoughts(found[name], field) for name in _THOUGHTS if found.get(name)), "")
        case _:
            raise unreadable(field, found, "text")
