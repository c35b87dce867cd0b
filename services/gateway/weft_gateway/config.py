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
    """One or more servers of a cluster, separated by commas."""
    log: LogConfig = LogConfig()
    """Shape of the job log, as JSON with the fields of LogConfig; the same as the router's."""
    postgres_url: SecretUrl = "postgresql://127.0.0.1:5432/weft"
    """Where keys, the record of jobs and webhooks are kept."""
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"
    """What rate limits are counted in, for all replicas together."""
    cache_target: str = "127.0.0.1:7605"
    """Address of the cache service, asked before a job is queued."""
    retrieval_target: str = "127.0.0.1:7603"
    """Address of the retrieval service, whose calls are forwarded."""
    router_target: str = "127.0.0.1:7602"
    """Address of the router, whose calls about providers are forwarded."""
    catalog_file: Path = Path("compose/weft.toml")
    """Names the model aliases; the same file as the router's. Read again when it changes, and on SIGHUP."""
    catalog_last_good: Path | None = None
    """Where the last catalog without mistakes is kept, for a start that finds the file broken; by default beside the
    file, as `weft.toml.gateway-last-good`. Name a place that can be written where the file's folder cannot."""
    catalog_poll_s: float = Field(1.0, gt=0)
    """How often to look whether it changed. Routers are given two such times to take it first."""
    operator_token: SecretStr = SecretStr("")
    """Opens KeyService, TenantService and CheckProviders; empty keeps them shut."""
    audit_days: float = Field(400.0, gt=0, le=36_500)
    """How long the operator's calls are kept in the audit log."""

    key_fresh_s: float = Field(10.0, gt=0)
    """How long a key is trusted without asking PostgreSQL: as long may a revoked one still work, and the calls that are
    open with it go on."""
    key_stale_s: float = Field(900.0, gt=0)
    """The same, while PostgreSQL does not answer."""
    key_absent_s: float = Field(2.0, ge=0)
    """How long to remember that a key does not exist."""

    calls_per_minute: int = Field(6_000, gt=0)
    """Of a key that has no rate of its own."""
    address_calls_per_minute: int = Field(60_000, ge=0)
    """Of a client address; 0 behind a proxy, where all clients share one. Then addresses and connections have no shares
    of `held_request_bytes` either."""
    rate_burst_s: float = Field(10.0, gt=0)
    """Seconds' worth of calls that may come at once."""
    redis_limit_s: float = Field(0.05, gt=0)
    """How long a rate limit, or a budget, may wait for Redis before it is decided without."""
    rate_fallback: Fallback = "local"
    """Who counts calls while Redis is down: "local", each replica for itself; "closed", nobody, and none may pass."""

    budget_fallback: BudgetFallback = "open"
    """What becomes of jobs with a budget while Redis is down: "open", they are accepted, and the router that runs them
    decides; "closed", they are refused."""

    max_request_bytes: int = Field(4 * 1024 * 1024, gt=0)
    """Largest encoded request. nats-server's max_payload must be a MiB larger."""
    default_timeout_s: float = Field(600.0, ge=1, le=24 * 3600)
    """Life of a job that names no timeout."""
    cache_limit_s: float = Field(2.0, gt=0)
    """How long a submit may wait for the cache at most. It takes as long only where answers take many times that: see
    WEFT_CACHE_LOOKUP_SHARE."""
    forward_limit_s: float = Field(120.0, gt=0)
    """Longest call passed on to the services behind."""
    read_limit_s: float = Field(2.0, gt=0)
    """How long reads may wait for PostgreSQL, or for Redis."""
    postgres_connections: int = Field(8, ge=2)
    """Most connections at once, of each process."""

    recorder_batch: int = Field(500, ge=1, le=10_000)
    """Most events that the recorder writes in one transaction."""
    recorder_wait_s: float = Field(0.25, ge=0, le=10)
    """How long a batch gathers: as long the record may trail the log."""
    retention_poll_s: float = Field(60.0, gt=0)
    """How often the recorder looks for jobs that are past their tenant's retention, which the catalog sets."""
    retention_batch: int = Field(200, ge=1, le=10_000)
    """Jobs that one statement then deletes from."""
    reaper_poll_s: float = Field(5.0, gt=0)
    """How often the recorder looks for jobs that expired and that no worker ended."""

    webhook_poll_s: float = Field(0.5, gt=0)
    """How often to look for webhooks that are due."""
    webhook_signing_key: SecretStr = SecretStr("")
    """Makes the secrets that sign webhooks; at least 32 characters, the same in all replicas. Empty: no webhooks.

    Another key is another secret for every tenant, at once: receivers know nothing of it until told.
    """
    webhook_limit_s: float = Field(15.0, gt=0, le=30)
    """How long a try may take."""
    webhook_tries: int = Field(20, ge=1)
    """Before a webhook is given up; as it stands they span a day on average, and two at most."""
    webhook_first_wait_s: float = Field(5.0, gt=0)
    """Longest wait after the first try; it doubles with every further one."""
    webhook_longest_wait_s: float = Field(6 * 3600.0, gt=0)
    """Where the doubling ends, and how much of a target's Retry-After is honoured."""
    webhooks_at_once: int = Field(64, ge=1, le=1000)
    """Tries under way in one notifier."""
    webhooks_at_once_per_tenant: int = Field(8, ge=1)
    """The same of one tenant, whose targets may hang."""
    webhook_allow_private: bool = False
    """Lets webhooks reach private and loopback addresses. Only where tenants are trusted with the gateway's network."""

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
