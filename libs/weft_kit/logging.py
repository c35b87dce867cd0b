"""One canonical log line per call, with everything about it, instead of many lines about its parts."""

import json
import logging
import sys
import time
from contextvars import ContextVar

import stamina.instrumentation
import structlog
from structlog.typing import EventDict

from weft_kit.shortening import cut_in_the_middle, shortened

# In characters. Usually one field of a line is long, so a line stays within a few KiB.
_MOST_FIELD, _MOST_TRACEBACK, _MOST_LINE = 1024, 4096, 8192
# What each field may have in a line that is still too long.
_MOST_OF_MANY = 128

_encoder = json.JSONEncoder(default=repr)
_notes: ContextVar[dict[str, object] | None] = ContextVar("weft_notes", default=None)


def configure(service: str, log_format: str = "auto") -> None:
    """Sends structlog to stderr, as JSON lines or for people; every line names the service."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    renderer = _as_json if as_json else structlog.dev.ConsoleRenderer(colors=False)

    def named(_logger: object, _level: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    structlog.configure(
        processors=[
            named,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            bounded,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_BoundedLines(logging.BASIC_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("grpc._cython.cygrpc").addFilter(_without_traceback)
    # An outage is logged once, by weft_kit.outages; these two would log every try.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    stamina.instrumentation.set_on_retry_hooks([stamina.instrumentation.PrometheusOnRetryHook])


def bounded(_logger: object, _level: str, event: EventDict) -> EventDict:
    """Returns an event with its fields cut to what a line may hold, whatever they quote of requests or exceptions."""
    length = 0
    for key, value in event.items():
        if not isinstance(value, str) or len(value) > _MOST_FIELD:
            event[key] = value = _brief(value, _MOST_TRACEBACK if key == "exception" else _MOST_FIELD)  # noqa: PLW2901
        length += len(value) if isinstance(value, str) else 0
    if length > _MOST_LINE:
        for key, value in event.items():
            event[key] = value if key == "exception" else _brief(value, _MOST_OF_MANY)
    return event


def _as_json(_logger: object, _level: str, event: EventDict) -> str:
    """Returns an event as a line, with one encoder for all lines: JSONRenderer makes one for each."""
    return _encoder.encode(event)


def _brief(value: object, most: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= most:
        return value
    return cut_in_the_middle(text, most) if most == _MOST_TRACEBACK else shortened(text, most)


class _BoundedLines(logging.Formatter):
    """Cuts the lines of libraries, which use standard logging, to the same length."""

    def format(self, record: logging.LogRecord) -> str:
        return cut_in_the_middle(super().format(record), _MOST_LINE)


def _without_traceback(record: logging.LogRecord) -> bool:
    """Removes the traceback from gRPC's log lines about calls, which are about malformed input, such as a path that is
    not UTF-8. What a handler raises is logged by the interceptor.
    """
    record.exc_info = record.exc_text = None
    return True


def note(**fields: object) -> None:
    """Adds fields to the canonical line of the call being handled; does nothing outside of one."""
    notes = _notes.get()
    if notes is not None:
        notes.update(fields)


def noted(field: str) -> str:
    """Returns a field noted for the call being handled; "" if it was not noted."""
    return str((_notes.get() or {}).get(field, ""))


class CallLine:
    """Collects one call's fields and writes them once, at its end."""

    __slots__ = ("_log", "_notes", "_start")

    def __init__(self, log: structlog.stdlib.BoundLogger, **fields: object) -> None:
        self._log = log
        self._start = time.perf_counter()
        self._notes: dict[str, object] = dict(fields)
        _notes.set(self._notes)

    def end(self, code: str, **fields: object) -> float:
        """Writes the line; returns the call's duration in seconds."""
        seconds = time.perf_counter() - self._start
        self._log.info("call", code=code, ms=round(seconds * 1000, 2), **self._notes, **fields)
        return seconds
