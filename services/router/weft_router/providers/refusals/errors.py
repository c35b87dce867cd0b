"""What a provider's refusal means, in every format: the reason, whether a retry may help, and how long to wait."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Any

from weft_router.providers.provider import ProviderError
from weft_router.providers.refusals.error_bodies import (
    ErrorBody,
    is_error,
    parsed_json,
    read_body,
    read_error,
)
from weft_router.providers.refusals.kinds import RefusalKind
from weft_router.providers.refusals.retry_after import retry_after_s
from weft_router.providers.refusals.table import kind_of

SHOWN_CHARACTERS = 300

_TYPE_HEADER = "x-amzn-errortype"


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """A provider's key, and where the catalog takes it from."""

    key: str = ""
    place: str = "the provider's key"


def refusal(status: int, headers: Mapping[str, str], content: bytes, access: ProviderAccess) -> ProviderError:
    """Returns the failure for a response that is not 200."""
    body = read_body(content)
    if named := headers.get(_TYPE_HEADER):  # Bedrock gives the type only there
        body.words.extend(read_error({"type": named}).words)
    kind = kind_of(status, body.words, body.text)
    message = f"the provider answered {status} {responses.get(status, '(no standard meaning)')}"
    return _error(kind, message, body, access, status, headers, http_status=status)


def error_in_stream(body: Any) -> ProviderError:
    """Returns the failure for an event with an error, in a stream that began with 200."""
    error = read_error(body)
    kind = kind_of(error.status, error.words, error.text)
    return _error(kind, "the provider failed while it answered", error, ProviderAccess(), error.status, {})


def error_in_body(content: bytes) -> ProviderError | None:
    """Returns the failure for a body that came with 200 in place of a stream; None if it is not an error object."""
    body = parsed_json(content)
    return error_in_stream(body) if is_error(body) else None


def _error(
    kind: RefusalKind,
    message: str,
    body: ErrorBody,
    access: ProviderAccess,
    status: int,
    headers: Mapping[str, str],
    *,
    http_status: int | None = None,
) -> ProviderError:
    if kind.is_quoted and (said := body.text[:SHOWN_CHARACTERS]):
        message += f" ({said.replace(access.key, '…') if access.key else said})"
    if kind.advice:
        message += f"; {kind.advice.format(key=access.place)}"
    wait_s = retry_after_s({**body.headers, **headers}, body.objects, time.time(), status, body.text)
    return ProviderError(kind.reason, message, kind.remedy, wait_s, http_status=http_status)
