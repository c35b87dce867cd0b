"""How long a provider asks to wait, in all the forms that providers use."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST_S = 31 * 24 * 3600.0
"""Longer waits are cut to this, since they are mistakes: no job lives that long."""

_LIMITED = (429, 498, 503, 529)
"""The statuses with which rate-limit headers and texts are about the refusal itself."""

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "milliseconds": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}
_PART = re.compile(rf"(\d{{1,15}}(?:\.\d{{1,15}})?) ?({'|'.join(sorted(_UNITS, key=len, reverse=True))})(?![a-zµ])")
_ASKED = re.compile(r"(?:try again|retry|wait)(?: \w{1,12}){0,2} (?:in|after|for)(?: about)? ", re.IGNORECASE)
_FIELDS = ("retry_after", "retry_after_seconds", "retryAfter", "estimated_time")
_EPOCH_S, _EPOCH_MS = 1e9, 1e11
_DATE_CHARACTERS = 64


def retry_after_s(
    headers: Mapping[str, str], objects: Iterable[Any], now_unix_s: float, status: int, text: str = ""
) -> float | None:
    """Returns the wait in seconds, from 0 to LONGEST_S; None if the provider does not say.

    The headers `retry-after-ms` and `retry-after` come first, then google.rpc.RetryInfo and fields of the error's
    `objects`. For an exhausted limit follow the header with its reset time, and the error's text.
    """
    wait_s = _stated_s(headers, now_unix_s)
    if wait_s is None:
        wait_s = next((wait for wait in map(_told_s, objects) if wait is not None), None)
    if wait_s is None and status in _LIMITED:
        wait_s = _reset_s(headers, now_unix_s)
    if wait_s is None and status in _LIMITED:
        wait_s = _asked_s(text)
    return None if wait_s is None else min(max(0.0, wait_s), LONGEST_S)


def span_s(text: str) -> float | None:
    """Returns the seconds of a duration like "34.4s", "6m0s" or "20ms"; None if it is not one."""
    seconds, end = _span(text, 0)
    return seconds if end == len(text) else None


def _span(text: str, start: int) -> tuple[float | None, int]:
    """Returns the span that begins at `start`, and where it ends."""
    seconds, end = None, start
    while part := _PART.match(text, end):
        seconds = (seconds or 0.0) + float(part[1]) * _UNITS[part[2]]
        end = part.end()
    return seconds, end


def _stated_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _number(headers.get(name, ""))) is not None:
            return milliseconds / 1000
    return _from_now_s(headers.get("retry-after", ""), now_unix_s)


def _from_now_s(value: str, now_unix_s: float) -> float | None:
    """Reads seconds, a span, an HTTP or ISO 8601 date, or a Unix time in seconds or milliseconds."""
    value = value.strip()
    number = _number(value)
    if number is None:
        return span_s(value) if _PART.match(value) else _date_s(value, now_unix_s)
    if number >= _EPOCH_MS:
        return number / 1000 - now_unix_s
    return number - now_unix_s if number >= _EPOCH_S else number


def _date_s(value: str, now_unix_s: float) -> float | None:
    if ":" not in value or len(value) > _DATE_CHARACTERS:
        return None
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for read in readers:
        with suppress(ValueError, OverflowError, TypeError):
            date = read(value)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_unix_s
    return None


def _number(value: Any) -> float | None:
    """Returns a finite number; None otherwise, since NaN and infinity would be waited for."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _told_s(one: Any) -> float | None:
    if not isinstance(one, dict):
        return None
    if str(one.get("@type", "")).endswith("google.rpc.RetryInfo"):
        return span_s(str(one.get("retryDelay")))
    return next((number for name in _FIELDS if (number := _number(one.get(name))) is not None), None)


def _reset_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    """Returns the wait until the last of the exhausted limits is reset (x-ratelimit-…, anthropic-ratelimit-…)."""
    spent = [name for name in headers if "ratelimit" in name and "remaining" in name and _number(headers[name]) == 0]
    waits = [_from_now_s(headers.get(name.replace("remaining", "reset"), ""), now_unix_s) for name in spent]
    return max((wait for wait in waits if wait is not None), default=None)


def _asked_s(text: str) -> float | None:
    """Reads "Please try again in 7m12s" (OpenAI, Groq) and "retry after 26 seconds" (Azure)."""
    asked = _ASKED.search(text)
    return _span(text, asked.end())[0] if asked else None
