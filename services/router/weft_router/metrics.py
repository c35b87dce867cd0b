"""The router's metrics."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from weft.job.v1 import event_pb2, job_pb2

JOBS = Counter("weft_router_jobs", "Jobs that became terminal here.", ["model", "state"])
JOBS_LEFT = Counter("weft_router_jobs_left", "Jobs that left without a result; budget and provider: to wait.", ["why"])
JOBS_IN_FLIGHT = Gauge("weft_router_jobs_in_flight", "Jobs being run now.")
ATTEMPTS = Counter("weft_router_attempts", "Attempts that ended.", ["provider", "result"])
FIRST_TOKEN_SECONDS = Histogram(
    "weft_router_first_token_seconds",
    "Time from an attempt's beginning to its first token.",
    ["provider"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
TOKENS = Counter("weft_router_tokens", "Tokens written, as far as providers let one count.", ["provider"])
CANCEL_SECONDS = Histogram(
    "weft_router_cancel_seconds",
    "Time from a cancel signal to the provider's stream being closed.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
HEDGES = Counter("weft_router_hedges", "Calls made because another one's first token was late.", ["provider"])
WAITS = Counter("weft_router_waits", "Times that a job had to wait before a call.", ["for"])
BREAKERS_OPENED = Counter("weft_router_breakers_opened", "Times that a breaker opened here.", ["provider", "model"])
LAST_RESORTS = Counter("weft_router_last_resorts", "What was served when every provider had failed.", ["served"])
FLIGHTS = Counter("weft_router_flights", "Jobs whose call may be shared, by whether they began it or joined.", ["role"])
CACHE_AUDITS = Counter("weft_router_cache_audits", "Audits reported to the cache, by what they came to.", ["verdict"])
CACHE_STORES = Counter("weft_router_cache_stores", "Answers offered to the cache.", ["result"])

BUDGET_DECISIONS = Counter("weft_router_budget_decisions", "Calls held to a budget.", ["by", "outcome"])
BOOKINGS_LOST = Counter("weft_router_bookings_lost", "Calls whose tokens and cost could not be booked.")
COST_MICROS = Counter("weft_router_cost_micros", "What calls cost, in millionths.", ["provider", "model", "currency"])
UNPRICED_CALLS = Counter(
    "weft_router_unpriced_calls", "Calls that the price list has no price for.", ["provider", "model"]
)

# `labels` takes longer than counting, so what it returned is kept where every job or attempt is counted.
attempts = cache(ATTEMPTS.labels)
first_token_seconds = cache(FIRST_TOKEN_SECONDS.labels)
_jobs = cache(JOBS.labels)
_tokens = cache(TOKENS.labels)


def job_done(model: str, done: event_pb2.Done, tokens: int) -> None:
    """Counts a job by its outcome."""
    _jobs(model, job_pb2.JobState.Name(done.state).removeprefix("JOB_STATE_")).inc()
    if tokens:
        _tokens(done.answer.provider).inc(tokens)
