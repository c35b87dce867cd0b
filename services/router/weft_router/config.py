"""The router's settings, each `WEFT_ROUTER_…` in the environment."""

from pathlib import Path

from pydantic import Field

from weft_kit.catalog.variables import variables_named
from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings
from weft_kit.joblog import LogConfig
from weft_router.budgets.budgets import Fallback
from weft_router.job.answer_limit import MAX_ANSWER_BYTES


class Config(Settings, env_prefix="WEFT_ROUTER_"):
    """Where the parts are, and how hard to work."""

    listen: str = "127.0.0.1:7602"
    advertise: str = ""
    """Where other routers find this one, as host:port, to share calls; by default what it listens on, and where that is
    every address, this machine's own."""
    nats_url: SecretUrl = "nats://127.0.0.1:7610"
    """One or more servers of a cluster, separated by commas."""
    log: LogConfig = LogConfig()
    """Shape of the job log, as JSON with the fields of LogConfig; the same as the gateway's."""
    cache_target: str = "127.0.0.1:7605"
    """Address of the cache service. While it is away answers are neither found nor kept."""
    retrieval_target: str = "127.0.0.1:7603"
    """Address of the retrieval service, asked for context."""
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"
    """Where replicas tell each other of breakers and flights, and share budgets; without it each is on its own."""
    budget_limit_s: float = Field(default=0.25, gt=0)
    """How long a budget may wait for Redis before it is decided without."""
    budget_fallback: Fallback = "local"
    """What decides without Redis: "local", this router by what Redis said last; "closed", nobody, and calls wait;
    "open", nobody, and calls pass."""
    flight_limit_s: float = Field(default=0.1, gt=0)
    """How long to wait for Redis to say whether an identical request is in flight elsewhere."""
    catalog_file: Path = Path("compose/weft.toml")
    """Providers and model aliases; read again when it changes, and on SIGHUP."""
    catalog_last_good: Path | None = None
    """Where the last catalog without mistakes is kept, for a start that finds the file broken; by default beside the
    file, as `weft.toml.router-last-good`. Name a place that can be written where the file's folder cannot."""
    catalog_poll_s: float = Field(default=1, gt=0)
    """How often to look whether it changed."""

    max_answer_bytes: int = Field(default=MAX_ANSWER_BYTES, ge=64 * 1024)
    """Bytes that an answer may have, with reasoning and tool calls: a provider that says more is cut off, and its job
    fails with what fits. nats-server's max_payload must be a MiB larger."""
    slots: int = Field(default=256, ge=1)
    """Jobs run at once."""
    retrieval_limit_s: float = Field(default=5, gt=0)
    """The longest that a search for context may take, in seconds."""

    max_attempts: int = Field(default=5, ge=1)
    """Attempts of a job that may fail, over all its workers. Those that met an outage do not count, nor those that
    ended with their worker."""
    max_lost_attempts: int = Field(default=10, ge=1)
    """Attempts of a job that may be lost with their worker: it may be what kills them."""
    max_deliveries: int = Field(default=50, ge=1)
    """Times a job is handed out: one whose workers die before an attempt begins must not be so for ever. Four fifths of
    them are for jobs that wait in the queue, for a budget or a provider, and come to look."""
    first_wait_s: float = Field(default=0.5, ge=0)
    """Longest wait before the second attempt; it doubles with each, and what is waited is drawn between 0 and it."""
    longest_wait_s: float = Field(default=10, ge=0)
    """Longest wait between attempts, also where a provider asks for more; not for one that is out."""

    def read_by_others(self) -> frozenset[str]:
        return variables_named(self.catalog_file)
