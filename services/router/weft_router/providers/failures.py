"""What a provider's refusal means, in every format: why, whether another try may help, and how long to wait."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Any

from pydantic_core import from_json

from weft.common.v1 import error_pb2
from weft_kit.errors import Reason
from weft_router.providers.port import ProviderError, Remedy
from weft_router.providers.waits import retry_after_s

SHOWN_CHARACTERS = 300

Verdict = tuple[Reason, Remedy]

_REJECTED: Verdict = (error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.NOTHING)
_ELSEWHERE: Verdict = (error_pb2.ERROR_REASON_PROVIDER_ERROR, Remedy.ANOTHER_PROVIDER)
_OVERLOADED: Verdict = (error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, Remedy.ANOTHER_TRY)
_SPENT: Verdict = (error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, Remedy.ANOTHER_PROVIDER)
_FAILED: Verdict = (error_pb2.ERROR_REASON_PROVIDER_ERROR, Remedy.ANOTHER_TRY)
_TIMEOUT: Verdict = (error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, Remedy.ANOTHER_TRY)
# What is too long for one model may fit another's context, and a refusal costs no tokens: the next route is asked
# without comparing lengths, which tokenizers count differently anyway.
_TOO_LONG: Verdict = (error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.ANOTHER_PROVIDER)

_BY_STATUS: dict[int, Verdict] = {
    401: _ELSEWHERE,
    402: _ELSEWHERE,
    403: _ELSEWHERE,
    404: _ELSEWHERE,
    408: _TIMEOUT,
    409: _FAILED,
    413: _REJECTED,
    425: _FAILED,
    429: _OVERLOADED,
    503: _OVERLOADED,
    504: _TIMEOUT,
    529: _OVERLOADED,
}

_BY_WORD: dict[str, Verdict] = {
    "insufficient_quota": _SPENT,
    "billing_hard_limit_reached": _SPENT,
    "billing_not_active": _SPENT,
    "context_length_exceeded": _TOO_LONG,
    "model_not_found": _ELSEWHERE,
    "DeploymentNotFound": _ELSEWHERE,
    "FAILED_PRECONDITION": _ELSEWHERE,
    "content_filter": _REJECTED,
    "content_policy_violation": _REJECTED,
}
"""Words that say more than the status they come with."""

_BY_TEXT: tuple[tuple[re.Pattern[str], Verdict], ...] = (
    (
        re.compile(r"prompt is too long|maximum context length|context window|input token count", re.IGNORECASE),
        _TOO_LONG,
    ),
    (re.compile(r"credit balance|API key (not valid|expired)", re.IGNORECASE), _ELSEWHERE),
)
"""Texts of refusals with 400, where nothing else tells these from a bad request (Anthropic, Gemini, vLLM)."""

_STATUS_OF_WORD: dict[str, int] = {
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "BadRequestError": 400,
    "validationException": 400,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "RESOURCE_EXHAUSTED": 429,
    "throttlingException": 429,
    "UNAVAILABLE": 503,
    "serviceUnavailableException": 503,
    "server_overloaded": 503,
    "DEADLINE_EXCEEDED": 504,
    "timeout_error": 504,
    "modelTimeoutException": 504,
    "overloaded_error": 529,
    "overloaded": 529,
}
"""The status an error would have had, had it come before the stream began."""

_ERROR_STATUS = re.compile(r"[45][0-9]{2}")

# Their texts may quote the key.
_NOT_QUOTED = (401, 403)


@dataclass(frozen=True, slots=True)
class Access:
    """A provider's key, and where the catalog says that it is."""

    key: str = ""
    place: str = "the provider's key"


def refusal(status: int, headers: Mapping[str, str], content: bytes, access: Access) -> ProviderError:
    """Classify an answer that is not 200."""
    error = _Complaint.of(_parsed(content))
    reason, remedy = _verdict(status, error)
    said = "" if status in _NOT_QUOTED else _without(access.key, error.shown)
    message = f"the provider answered {status} {responses.get(status, '(no standard meaning)')}{said}"
    wait_s = retry_after_s(headers, error.details, time.time(), status)
    return ProviderError(reason, message + _next_step(status, access), remedy, wait_s, http_status=status)


def error_in_stream(body: Any) -> ProviderError:
    """Classify an error that came inside a stream that had begun with 200, from the event that holds it."""
    error = _Complaint.of(body)
    status = error.status
    reason, remedy = _verdict(status, error)
    said = "" if status in _NOT_QUOTED else error.shown
    wait_s = retry_after_s({}, error.details, time.time(), status)
    return ProviderError(reason, f"the provider failed while it answered{said}", remedy, wait_s)


def error_in_body(content: bytes) -> ProviderError | None:
    """Classify a body that came with 200 where a stream should have; None when it is no error object."""
    body = _parsed(content)
    return error_in_stream(body) if isinstance(body, dict) and body.get("error") else None


@dataclass(frozen=True, slots=True)
class _Complaint:
    """What all formats' error objects have in common."""

    words: tuple[str, ...] = ()
    message: str = ""
    details: tuple[Any, ...] = ()

    @classmethod
    def of(cls, body: Any) -> "_Complaint":
        """Read `{"error": {...}}`, `{"error": "…"}`, `{"detail": "…"}`, a bare error, or one named by its only key."""
        if isinstance(body, list) and body:
            body = body[0]  # Gemini, when it was not asked for events
        if not isinstance(body, dict):
            return cls(message=body if isinstance(body, str) else "")
        error = body.get("error") or body.get("detail") or body
        if not isinstance(error, dict):
            return cls(message=str(error))
        [*names] = error
        if len(names) == 1 and isinstance(error[names[0]], dict):  # AWS event streams
            error = {"type": names[0]} | error[names[0]]
        details = error.get("details")
        details = tuple(details) if isinstance(details, list) else ()
        words = (str(error[name]) for name in ("code", "status", "type") if error.get(name))
        return cls(tuple(words), str(error.get("message") or ""), details)

    @property
    def status(self) -> int:
        """The status it would have come with by itself; 500 when nothing tells."""
        for word in self.words:
            if _ERROR_STATUS.fullmatch(word):
                return int(word)
            if word in _STATUS_OF_WORD:
                return _STATUS_OF_WORD[word]
        return 500

    @property
    def shown(self) -> str:
        return f" ({self.message[:SHOWN_CHARACTERS]})" if self.message else ""

    @property
    def quota_ids(self) -> Iterator[str]:
        for detail in self.details:
            if isinstance(detail, dict):
                violations = detail.get("violations") or ()
                yield from (str(each.get("quotaId")) for each in violations if isinstance(each, dict))


def _verdict(status: int, error: _Complaint) -> Verdict:
    for word in error.words:
        if word in _BY_WORD:
            return _BY_WORD[word]
    if status in (400, 413):
        for pattern, verdict in _BY_TEXT:
            if pattern.search(error.message):
                return verdict
    if status == 429 and any("PerDay" in quota for quota in error.quota_ids):
        return _SPENT
    return _BY_STATUS.get(status, _ELSEWHERE if status < 400 else _REJECTED if status < 500 else _FAILED)


def _next_step(status: int, access: Access) -> str:
    match status:
        case 401:
            return f"; check {access.place}"
        case 402:
            return "; check the provider's bill"
        case 403:
            return f"; check what {access.place} allows"
        case 404:
            return "; check base_url and the route's model"
    return ""


def _without(key: str, text: str) -> str:
    return text.replace(key, "…") if key else text


def _parsed(content: bytes) -> Any:
    """The body, or nothing: pages of proxies in between are no errors of the provider's."""
    try:
        return from_json(content)
    except ValueError:
        return None
