"""Reads the body of an error in any form: JSON of any provider or proxy, a page, or a line of text."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

_MOST_CHARACTERS = 4096
_MOST_NESTED = 6
_MOST_LISTED = 8
_NO_CODES = (None, 0, "0", 200, "200")

_WORDS = ("code", "status", "type", "status_code", "http_code", "error_code", "error_type", "reason", "name", "__type")
_TEXTS = ("message", "msg", "error_msg", "status_msg", "error_description", "title")
# In reading order: a proxy's own words, then those of the provider that it called.
_INNER = ("error", "errors", "detail", "details", "innererror", "metadata", "raw", "base_resp")

_STATUS_OF_WORD: dict[str, int] = {
    word.casefold(): status
    for status, words in {
        400: "invalid_request_error INVALID_ARGUMENT BadRequestError ValidationException invalid_request_prompt",
        403: "permission_error PERMISSION_DENIED AccessDeniedException",
        402: "billing_error",
        404: "not_found_error NOT_FOUND NotFoundError",
        413: "request_too_large",
        429: "rate_limit_error rate_limit_exceeded RESOURCE_EXHAUSTED ThrottlingException",
        503: "UNAVAILABLE unavailable_error ServiceUnavailableException server_overloaded",
        504: "DEADLINE_EXCEEDED timeout_error ModelTimeoutException",
        529: "overloaded_error overloaded",
    }.items()
    for word in words.split()
}
"""The HTTP status that an error would have had before the stream began."""

_ERROR_STATUS = re.compile(r"[45][0-9]{2}")
_ELEMENT = re.compile(r"<(title|code|message)>([^<]{1,300})<", re.IGNORECASE)


@dataclass(slots=True)
class ErrorBody:
    """The content of an error body, whatever its form."""

    words: list[str] = field(default_factory=list)
    """Codes, types and reasons, casefolded, from the outermost object inwards."""
    texts: list[str] = field(default_factory=list)
    objects: list[Mapping[str, Any]] = field(default_factory=list)
    """Every object that was read; some say how long to wait."""

    @property
    def text(self) -> str:
        return "; ".join(dict.fromkeys(self.texts))[:_MOST_CHARACTERS]

    @property
    def status(self) -> int:
        """The HTTP status that the error would have had by itself; 500 if nothing shows it."""
        for word in self.words:
            if _ERROR_STATUS.fullmatch(word):
                return int(word)
            if word in _STATUS_OF_WORD:
                return _STATUS_OF_WORD[word]
        return 500

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the provider behind a proxy, if the proxy passes them on in the body (OpenRouter)."""
        inner = (one["headers"] for one in self.objects if isinstance(one.get("headers"), dict))
        return {str(name).lower(): str(value) for headers in inner for name, value in headers.items()}


def read_body(content: bytes) -> ErrorBody:
    """Reads the raw body of an error."""
    if (parsed := parsed_json(content)) is not None:
        return read_error(parsed)
    body = ErrorBody()
    text = content[:_MOST_CHARACTERS].decode("utf-8", "replace").strip()
    if not text.startswith("<"):
        if len(content) <= _MOST_CHARACTERS:  # a longer one is not a message
            body.texts.append(" ".join(text.split()))
        return body
    if "<html" in text.lower():
        body.words.append("html")
    for name, value in _ELEMENT.findall(text):
        if name.lower() == "code":
            body.words.append(_word(value))
        else:
            body.texts.append(" ".join(value.split()))
    return body


def read_error(value: Any) -> ErrorBody:
    """Reads an error that is parsed already."""
    body = ErrorBody()
    _walk(value, body, 0)
    return body


def parsed_json(content: bytes | str) -> Any:
    try:
        return from_json(content)
    except ValueError:
        return None


def is_error(body: Any) -> bool:
    """Returns whether an object that came with 200, or as an event, is an error and not an answer.

    An error object with only empty fields does not count.
    """
    if not isinstance(body, dict):
        return False
    error = body.get("error")
    has_one = any(error.values()) if isinstance(error, dict) else error
    says_so = "error" in (body.get("object"), body.get("type")) or _failed(body.get("base_resp"))
    has_code = isinstance(body.get("message"), str) and body.get("code") not in _NO_CODES
    return bool(has_one or says_so or has_code or any(body.get(name) for name in ("errors", "detail", "error_code")))


def _failed(base_resp: Any) -> bool:
    return isinstance(base_resp, dict) and bool(base_resp.get("status_code"))


def _walk(value: Any, body: ErrorBody, depth: int) -> None:
    """Takes in a value and the values in it, except those that quote the request."""
    if depth > _MOST_NESTED:
        return
    match value:
        case str():
            inner = parsed_json(value) if value.lstrip()[:1] in ("{", "[") else None
            if inner is None:
                body.texts.append(value[:_MOST_CHARACTERS])
            else:
                _walk(inner, body, depth + 1)
        case list():
            for one in value[:_MOST_LISTED]:
                _walk(one, body, depth + 1)
        case dict():
            body.objects.append(value)
            body.words.extend(_words(value))
            for name, inner in _inner(value):
                if name not in (*_TEXTS, *_INNER):
                    body.words.append(_word(name))
                _walk(inner, body, depth + 1)


def _inner(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if len(value) == 1:
        [(name, inner)] = value.items()
        if isinstance(inner, dict):  # AWS event streams name an error by its only key
            yield name, inner
            return
    yield from ((name, value[name]) for name in (*_TEXTS, *_INNER) if value.get(name))


def _words(value: Mapping[str, Any]) -> Iterator[str]:
    for name in _WORDS:
        if isinstance(value.get(name), str | int) and value[name]:
            # MiniMax has its own numbers, some of which mean something else elsewhere.
            yield f"base_resp.{value[name]}" if name == "status_code" and "status_msg" in value else _word(value[name])
    violations = value.get("violations")
    quotas = [one.get("quotaId") for one in violations if isinstance(one, dict)] if isinstance(violations, list) else []
    if any("PerDay" in str(quota) for quota in (*quotas, value.get("quota_limit"))):
        yield "perday"


def _word(value: Any) -> str:
    """Returns the bare code: AWS writes `namespace#Code` and `Code:address`."""
    return str(value)[:_MOST_CHARACTERS].rpartition("#")[2].partition(":")[0].strip().casefold()
