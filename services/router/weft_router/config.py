"""Settings of the router, from variables that begin with WEFT_ROUTER_."""

from pathlib import Path

from pydantic import Field

from weft_kit.catalog.variables import variables_named
from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings
from weft_kit.joblog import LogConfig
from weft_router.budgets.budgets import Fallback
from weft_router.job.answer_limit import MAX_ANSWER_BYTES


class Config(Settings, env_prefix="WEFT_ROUTER_"):
    """Addresses of the other services, and limits on work."""

    listen: str = "127.0.0.1:7602"
    advertise: str = ""
    """Address at which other routers reach this one to share calls, as host:port; by default the address it listens on,
    or this machine's own if it listens on all."""
    nats_url: SecretUrl = "nats://127.0.0.1:7610"
    """Address of NATS: one or more servers of a cluster, separated by commas."""
    log: LogConfig = LogConfig()
    """Configuration of the job log, as JSON with the fields of LogConfig; must equal the gateway's."""
    cache_target: str = "127.0.0.1:7605"
    """Address of the cache service. While it is down no answers are found or stored."""
    retrieval_target: str = "127.0.0.1:7603"
    """Address of the retrieval service, which is asked for context."""
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"
    """Redis, through which replicas share the state of breakers, flights and budgets; without it each router works by
    itself."""
    budget_limit_s: float = Field(default=0.25, gt=0)
    """How long a budget may wait for Redis before it is decided without it."""
    budget_fallback: Fallback = "local"
    """How budgets are enforced without Redis: "local", by this router from Redis's last state; "closed", calls wait;
    "open", calls pass."""
    flight_limit_s: float = Field(default=0.1, gt=0)
    """How long to wait for Redis to say whether an identical request is in flight at another router."""
    catalog_file: Path = Path("compose/weft.toml")
    """The catalog of providers and model aliases; it is read again when it changes, and on SIGHUP."""
    catalog_last_good: Path | None = None
    """Where to keep the last catalog without mistakes, for a start that finds the file broken; by default next to the
    file, as `weft.toml.router-last-good`. Set a writable path if the file's folder is read-only."""
    catalog_poll_s: float = Field(default=1, gt=0)
    """How often to check whether the catalog has changed."""

    max_answer_bytes: int = Field(default=MAX_ANSWER_BYTES, ge=64 * 1024)
    """Largest answer in bytes, with reasoning and tool calls: a provider that sends more is cut off, and its job fails
    with the part that fits. nats-server's max_payload must be 1 MiB larger."""
    slots: int = Field(default=256, ge=1)
    """Jobs run at once."""
    retrieval_limit_s: float = Field(default=5, gt=0)
    """Longest that a search for context may take."""

    max_attempts: int = Field(default=5, ge=1)
    """Attempts of a job that may fail, over all its workers. Attempts that met an outage, or were lost with their
    worker, do not count."""
    max_lost_attempts: int = Field(default=10, ge=1)
    """Attempts of a job that may be lost with their worker before it fails, since the job itself may be killing its
    workers."""
    max_deliveries: int = Field(default=50, ge=1)
    """How often a job may be handed out, which limits a job whose workers die before an attempt begins. Four fifths of
    these are for jobs that wait in the queue for a budget or a provider and check again."""
    first_wait_s: float = Field(default=0.5, ge=0)
    """Longest wait before the second attempt; it doubles with each further one, and the actual wait is random between 0
    and that."""
    longest_wait_s: float = Field(default=10, ge=0)
    """Longest wait between attempts, also if a provider asks for more; it does not apply to a provider that is down."""

    def read_by_others(self) -> frozenset[str]:
        return variables_named(self.catalog_file)
