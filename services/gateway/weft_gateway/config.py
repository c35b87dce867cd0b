"""Settings of the gateway, from variables that begin with WEFT_GATEWAY_."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from weft_gateway.auth.redis_limiter import Fallback
from weft_gateway.submission.budgets import Fallback as BudgetFallback
from weft_kit.catalog.variables import variables_named
from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings
from weft_kit.joblog import LogConfig


class Config(Settings, env_prefix="WEFT_GATEWAY_"):
    listen: str = "127.0.0.1:7600"
    nats_url: SecretUrl = "nats://127.0.0.1:7610"
    """Address of NATS: one or more servers of a cluster, separated by commas."""
    log: LogConfig = LogConfig()
    """Configuration of the job log, as JSON with the fields of LogConfig; must equal the router's."""
    postgres_url: SecretUrl = "postgresql://127.0.0.1:5432/weft"
    """PostgreSQL, which stores keys, the record of jobs, and webhooks."""
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"
    """Redis, which counts rate limits for all replicas together."""
    cache_target: str = "127.0.0.1:7605"
    """Address of the cache service, which is asked before a job is queued."""
    retrieval_target: str = "127.0.0.1:7603"
    """Address of the retrieval service, to which calls are forwarded."""
    router_target: str = "127.0.0.1:7602"
    """Address of the router, to which calls about providers are forwarded."""
    catalog_file: Path = Path("compose/weft.toml")
    """The catalog, which names the model aliases; the same file as the router's. It is read again when it changes, and
    on SIGHUP."""
    catalog_last_good: Path | None = None
    """Where to keep the last catalog without mistakes, for a start that finds the file broken; by default next to the
    file, as `weft.toml.gateway-last-good`. Set a writable path if the file's folder is read-only."""
    catalog_poll_s: float = Field(1.0, gt=0)
    """How often to check whether the catalog has changed. A change takes effect here after two such intervals, so that
    routers have it first."""
    operator_token: SecretStr = SecretStr("")
    """Required for KeyService, TenantService and CheckProviders; if empty, they are disabled."""
    audit_days: float = Field(400.0, gt=0, le=36_500)
    """How long the operator's calls are kept in the audit log."""

    key_fresh_s: float = Field(10.0, gt=0)
    """How long a cached key is trusted without asking PostgreSQL. A revoked key, and calls opened with it, may still
    work for this long."""
    key_stale_s: float = Field(900.0, gt=0)
    """The same, while PostgreSQL does not answer."""
    key_absent_s: float = Field(2.0, ge=0)
    """How long to remember that a key does not exist."""

    calls_per_minute: int = Field(6_000, gt=0)
    """Rate limit for a key without its own, in calls per minute."""
    address_calls_per_minute: int = Field(60_000, ge=0)
    """Rate limit for a client address, in calls per minute; 0 disables it, for use behind a proxy where all clients
    share one address. Then `held_request_bytes` is not divided by address or connection either."""
    rate_burst_s: float = Field(10.0, gt=0)
    """Size of a burst: how many seconds' worth of calls may arrive at once."""
    redis_limit_s: float = Field(0.05, gt=0)
    """How long a rate limit or a budget may wait for Redis before it is decided without it."""
    rate_fallback: Fallback = "local"
    """How calls are limited while Redis is down: "local", by each replica separately; "closed", all calls are
    refused."""

    budget_fallback: BudgetFallback = "open"
    """What happens to jobs with a budget while Redis is down: "open", they are accepted, and the router that runs them
    decides; "closed", they are refused."""

    max_request_bytes: int = Field(4 * 1024 * 1024, gt=0)
    """Largest encoded request, in bytes. nats-server's max_payload must be 1 MiB larger."""
    default_timeout_s: float = Field(600.0, ge=1, le=24 * 3600)
    """Timeout of a job that sets none."""
    cache_limit_s: float = Field(2.0, gt=0)
    """Longest time that a submit waits for the cache. It is reached only if providers take many times as long: see
    WEFT_CACHE_LOOKUP_SHARE."""
    forward_limit_s: float = Field(120.0, gt=0)
    """Longest call that is forwarded to the services behind the gateway."""
    read_limit_s: float = Field(2.0, gt=0)
    """How long reads may wait for PostgreSQL or Redis."""
    postgres_connections: int = Field(8, ge=2)
    """Most connections to PostgreSQL at once, for each process."""

    recorder_batch: int = Field(500, ge=1, le=10_000)
    """Most events that the recorder writes in one transaction."""
    recorder_wait_s: float = Field(0.25, ge=0, le=10)
    """How long the recorder collects a batch; the record may lag behind the log by this much."""
    retention_poll_s: float = Field(60.0, gt=0)
    """How often the recorder looks for jobs that are past their tenant's retention, which the catalog sets."""
    retention_batch: int = Field(200, ge=1, le=10_000)
    """Most jobs that one statement then deletes."""
    reaper_poll_s: float = Field(5.0, gt=0)
    """How often the reaper looks for jobs that have expired and that no worker has ended."""

    webhook_poll_s: float = Field(0.5, gt=0)
    """How often to look for webhooks that are due."""
    webhook_signing_key: SecretStr = SecretStr("")
    """Derives the secrets that sign webhooks; at least 32 characters, the same in all replicas. Empty disables
    webhooks.

    Another key is another secret for every tenant, at once: receivers know nothing of it until told.
    """
    webhook_limit_s: float = Field(15.0, gt=0, le=30)
    """Timeout of one delivery attempt."""
    webhook_tries: int = Field(20, ge=1)
    """Most attempts before a webhook is given up; with the defaults they span a day on average, and two at most."""
    webhook_first_wait_s: float = Field(5.0, gt=0)
    """Longest wait after the first attempt; it doubles with each further one."""
    webhook_longest_wait_s: float = Field(6 * 3600.0, gt=0)
    """Upper limit of that wait, and of a target's Retry-After."""
    webhooks_at_once: int = Field(64, ge=1, le=1000)
    """Attempts in progress at once in one notifier."""
    webhooks_at_once_per_tenant: int = Field(8, ge=1)
    """The same for one tenant, whose targets may hang."""
    webhook_allow_private: bool = False
    """Allows webhooks to private and loopback addresses. Enable it only if tenants are trusted with the gateway's
    network."""

    @field_validator("webhook_signing_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key) < 32:
            message = f"must be at least 32 characters, is {len(key)}; `openssl rand -base64 32` makes a good one"
            raise ValueError(message)
        return key

    def read_by_others(self) -> frozenset[str]:
        return variables_named(self.catalog_file)

    @model_validator(mode="after")
    def _stale_outlives_fresh(self) -> "Config":
        if self.key_stale_s < self.key_fresh_s:
            message = "key_stale_s must be at least key_fresh_s"
            raise ValueError(message)
        return self
