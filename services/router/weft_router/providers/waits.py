"""How long a provider wants to be left alone, in all the ways providers have of saying it."""

import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(ms|h|m|s)")


def retry_after_s(headers: Mapping[str, str], details: Iterable[Any], now_unix_s: float, status: int) -> float | None:
    """Return the wait in seconds, not negative; None when the provider does not say.

    The headers `retry-after-ms` and `retry-after` (seconds or a date) come first, then google.rpc.RetryInfo among the
    error's `details`, then, for an exhausted limit, the header that says when it is lifted.
    """
    wait_s = _stated_s(headers, now_unix_s)
    if wait_s is None:
        wait_s = _retry_info_s(details)
    if wait_s is None and status == 429:
        wait_s = _reset_s(headers)
    return wait_s


def span_s(text: str) -> float | None:
    """Read a span like "34.4s", "6m0s" or "20ms"; None when it is none."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _stated_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return _sane(float(milliseconds) / 1000)
        if not (value := headers.get("retry-after")):
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_unix_s)
    except ValueError:
        return None


def _sane(seconds: float) -> float | None:
    """Refuse NaN and the infinite, which would otherwise be waited for."""
    return max(0.0, seconds) if seconds < float("inf") else None


def _retry_info_s(details: Iterable[Any]) -> float | None:
    for detail in details:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return span_s(str(detail.get("retryDelay")))
    return None


def _reset_s(headers: Mapping[str, str]) -> float | None:
    """OpenAI's limits: of those with nothing left, the one that is lifted last."""
    spent = (kind for kind in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{kind}") == "0")
    waits = (span_s(headers.get(f"x-ratelimit-reset-{kind}", "")) for kind in spent)
    return max((wait for wait in waits if wait is not None), default=None)
