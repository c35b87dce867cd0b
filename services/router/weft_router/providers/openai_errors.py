"""What a refusal in OpenAI's format means: why, whether waiting helps, and how long."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any

from pydantic_core import from_json

from weft.common.v1 import error_pb2
from weft_kit.errors import Reason
from weft_router.providers.port import ProviderError, Remedy

SHOWN_CHARACTERS = 300

_REJECTED = (error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.NOTHING)
_ELSEWHERE = (error_pb2.ERROR_REASON_PROVIDER_ERROR, Remedy.ANOTHER_PROVIDER)
_OVERLOADED = (error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, Remedy.ANOTHER_TRY)
_FAILED = (error_pb2.ERROR_REASON_PROVIDER_ERROR, Remedy.ANOTHER_TRY)

_BY_STATUS: dict[int, tuple[Reason, Remedy]] = {
    401: _ELSEWHERE,
    402: _ELSEWHERE,
    403: _ELSEWHERE,
    404: _ELSEWHERE,
    408: (error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, Remedy.ANOTHER_TRY),
    409: _FAILED,
    425: _FAILED,
    429: _OVERLOADED,
    503: _OVERLOADED,
    529: _OVERLOADED,
}
# Their texts may quote the key.
_NOT_QUOTED = (401, 403)
_NEXT_STEPS = {
    401: "check the provider's key",
    402: "check the provider's bill",
    403: "check what the provider's key allows",
    404: "check base_url and the route's model",
}


def refusal(status: int, headers: Mapping[str, str], content: bytes) -> ProviderError:
    """Classify an answer that is not 200."""
    error = _error_object(content)
    reason, remedy = _BY_STATUS.get(status, _ELSEWHERE if status < 400 else _REJECTED if status < 500 else _FAILED)
    if _code(error) == "insufficient_quota":
        remedy = Remedy.ANOTHER_PROVIDER
    said = "" if status in _NOT_QUOTED else _shown(error)
    next_step = f"; {_NEXT_STEPS[status]}" if status in _NEXT_STEPS else ""
    message = f"the provider answered {status} {responses.get(status, '(no standard meaning)')}{said}{next_step}"
    return ProviderError(reason, message, remedy, retry_after_s(headers, time.time()))


def error_in_stream(error: Any) -> ProviderError:
    """Classify an error object that came inside a stream that had begun with 200."""
    error = error if isinstance(error, dict) else {"message": str(error)}
    busy = any(word in f"{error.get('type')} {_code(error)}" for word in ("rate_limit", "overloaded"))
    reason, remedy = _OVERLOADED if busy else _FAILED
    return ProviderError(reason, f"the provider failed while it answered{_shown(error)}", remedy)


def retry_after_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    """Read how long the provider wants to be left alone, in seconds; None when it does not say."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        if not (value := headers.get("retry-after")):
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_unix_s)
    except ValueError:
        return None


def _error_object(content: bytes) -> dict[str, Any]:
    """The `error` of the body, or an empty one: pages of proxies in between have none."""
    try:
        body = from_json(content)
    except ValueError:
        return {}
    error = body.get("error", body) if isinstance(body, dict) else {}
    return error if isinstance(error, dict) else {"message": str(error)}


def _code(error: dict[str, Any]) -> str:
    return str(error.get("code") or error.get("type") or "")


def _shown(error: dict[str, Any]) -> str:
    message = error.get("message")
    return f" ({message[:SHOWN_CHARACTERS]})" if isinstance(message, str) and message else ""
