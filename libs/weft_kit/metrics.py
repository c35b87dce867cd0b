"""Prometheus: the metrics of every server, and the endpoint that serves them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import Counter, Gauge, Histogram, start_http_server

CALLS = Counter("weft_calls", "Calls answered.", ["method", "code"])
CALL_SECONDS = Histogram(
    "weft_call_seconds",
    "Time from a call's arrival to its last message.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
CALLS_IN_FLIGHT = Gauge("weft_calls_in_flight", "Calls being handled now.")

# Kept, as the metrics themselves keep them: finding a child by its labels costs more than counting.
calls = cache(CALLS.labels)
call_seconds = cache(CALL_SECONDS.labels)


@contextmanager
def serve(listen: str) -> Iterator[None]:
    """Serves /metrics on host:port while the context lasts; does nothing with an empty address."""
    if not listen:
        yield
        return
    host, _, port = listen.rpartition(":")
    server, thread = start_http_server(int(port), addr=host or "127.0.0.1")
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
