"""One canonical line a call: everything about it in one place, instead of many lines about parts of it."""

import logging
import sys
import time
from contextvars import ContextVar

import stamina.instrumentation
import structlog

_notes: ContextVar[dict[str, object] | None] = ContextVar("weft_notes", default=None)


def configure(service: str, log_format: str = "auto") -> None:
    """Sends structlog to stderr, as JSON lines or for people; every line names the service."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # What is away is told of once, by who uses it (weft_kit.outages); these two would tell of every try.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    stamina.instrumentation.set_on_retry_hooks([stamina.instrumentation.PrometheusOnRetryHook])


def note(**fields: object) -> None:
    """Adds fields to the canonical line of the call being handled; does nothing outside of one."""
    notes = _notes.get()
    if notes is not None:
        notes.update(fields)


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
