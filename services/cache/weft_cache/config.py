"""Settings of the cache, from variables that begin with WEFT_CACHE_."""

from base64 import b64decode

from pydantic import Field, SecretStr, field_validator

from weft_cache.store.encryption import KEY_BYTES
from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings


class Config(Settings, env_prefix="WEFT_CACHE_"):
    listen: str = "127.0.0.1:7605"
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"
    """Redis with the query engine (RediSearch). Without the engine only the exact tier answers."""
    inference_target: str = "127.0.0.1:7604"
    """Address of the inference service, which embeds questions. While it is down only the exact tier answers."""

    ttl_s: float = Field(24 * 3600.0, gt=0)
    """How long an answer is kept."""
    ttl_jitter: float = Field(0.1, ge=0, lt=1)
    """Largest share by which an answer's time to live is shortened at random."""
    floor: float = Field(0.7, gt=0, le=1)
    """Cosine similarity below which questions are not compared; requests may ask for more, never for less."""
    target_precision: float = Field(0.92, gt=0, lt=1)
    """Lowest acceptable share of right answers from the semantic tier, in the kind of partition where it is wrong most
    often; it determines how certain a hit must be. Values up to .92 have been measured; with more the tier is off."""

    languages: str = "en"
    """Languages that guards, embedder and verifier know: ISO 639-1 codes separated by commas, or * for all. Only the
    exact tier serves questions in other languages. The models shipped with Weft know English."""

    redis_limit_s: float = Field(0.25, gt=0)
    """How long one exchange with Redis may take; after that the lookup is a miss. On a machine that is not busy it
    takes a millisecond or two."""
    redis_connections: int = Field(64, ge=1)
    """Most connections at once."""
    lookup_share: float = Field(0.2, gt=0, le=1)
    """Longest time for a semantic lookup, as a share of the time that the tenant's answers from a model alias usually
    take. The caller's deadline applies if it is earlier."""
    shortest_lookup_s: float = Field(0.15, gt=0)
    """Lower limit of that time."""
    longest_lookup_s: float = Field(2.0, gt=0)
    """Upper limit of that time."""
    lookup_limit_s: float = Field(1.5, gt=0)
    """Longest time for a lookup while it is not known how long answers take."""
    lookups_at_once: int = Field(4, ge=1)
    """Semantic lookups at once; the default keeps one inference service with default settings busy. Others wait if
    their turn will come in time, and are refused if not. Set four for each replica, and more for one with more
    threads."""
    silence_s: float = Field(1.0, gt=0)
    """How long the inference service may leave all calls unanswered before it counts as failed."""
    rest_s: float = Field(1.0, gt=0)
    """How long a service that failed three times in a row, or stopped answering, is not called."""
    remembered_vectors: int = Field(1024, ge=0)
    """Vectors of the most recent questions kept in memory, about 2 KB each."""
    tally_flush_s: float = Field(1.0, gt=0)
    """How long counts, and times of last use, are collected before they are sent to Redis."""

    most_bytes: int = Field(256 * 1024 * 1024, ge=1024 * 1024)
    """Most memory for the answers of all tenants. Beyond it, the tenant with the most data loses its least recently
    used answers. Keep it below two thirds of Redis's `maxmemory`, and that on `noeviction`, since budgets are in the
    same Redis."""
    encryption_keys: SecretStr = SecretStr("")
    """32-byte keys in base64, separated by commas, that encrypt questions and answers in Redis. The first one encrypts,
    all of them decrypt. Empty stores them unencrypted."""

    audit_share: float = Field(0.01, ge=0, le=1)
    """Share of semantic hits that are asked again in the background and compared; 0 turns audits off."""
    audits_per_minute: int = Field(10, ge=0)
    """Most audits per minute for each tenant."""
    audit_least_alike: float = Field(0.8, gt=0, le=1)
    """Cosine similarity from which two answers count as the same."""
    false_hit_bound: float = Field(0.02, gt=0, lt=1)
    """Share of wrong hits above which, once it is statistically certain, a partition becomes stricter."""
    strict_for_s: float = Field(24 * 3600.0, gt=0)
    """How long a partition stays stricter before it tries one step lower."""
    off_for_s: float = Field(3600.0, gt=0)
    """How long the semantic tier is off in a partition where stricter thresholds did not help; twice as long each
    further time."""

    @field_validator("languages")
    @classmethod
    def _are_codes(cls, languages: str) -> str:
        codes = [code.strip().lower() for code in languages.split(",")]
        if not all(codes):
            raise ValueError("must be * or codes of languages separated by commas, such as en,de")
        return ",".join(codes)

    @property
    def sealing_keys(self) -> list[bytes]:
        """Returns the keys as bytes, the encrypting one first."""
        return [b64decode(key) for key in self.encryption_keys.get_secret_value().split(",") if key]

    @field_validator("encryption_keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        for number, key in enumerate(filter(None, keys.get_secret_value().split(",")), 1):
            try:
                size = len(b64decode(key, validate=True))
            except ValueError:
                size = 0
            if size != KEY_BYTES:
                message = (
                    f"key {number} must be {KEY_BYTES} bytes in base64; `openssl rand -base64 32` makes a good one"
                )
                raise ValueError(message)
        return keys
