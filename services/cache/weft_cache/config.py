"""Settings of the cache, from variables that begin with WEFT_CACHE_."""

from base64 import b64decode

from pydantic import Field, SecretStr, field_validator

from weft_cache.store.encryption import KEY_BYTES
from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings


class Config(Settings, env_prefix="WEFT_CACHE_"):
    listen: str = "127.0.0.1:7605"
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"
    """A Redis with the query engine (RediSearch). Without it only the exact tier answers."""
    inference_target: str = "127.0.0.1:7604"
    """Who embeds questions. While nobody does, only the exact tier answers."""

    ttl_s: float = Field(24 * 3600.0, gt=0)
    """How long an answer is kept."""
    ttl_jitter: float = Field(0.1, ge=0, lt=1)
    """Share of that by which a life is shortened at random."""
    floor: float = Field(0.7, gt=0, le=1)
    """Cosine similarity below which questions are not compared; requests may ask for more, never for less."""
    target_precision: float = Field(0.92, gt=0, lt=1)
    """Share of the semantic tier's answers that shall be right at least, on the kind of shelf where it is wrong most;
    from it follows how certain a hit must be. Measured is up to .92; with more the tier is off."""

    languages: str = "en"
    """Languages that guards, embedder and verifier know: codes of ISO 639-1 with commas between, * for all. Questions
    in others are for the exact tier alone. What Weft ships knows English."""

    redis_limit_s: float = Field(0.25, gt=0)
    """How long one exchange with Redis may take; after that the lookup is a miss. It takes a millisecond or two where
    the machine is not busy."""
    redis_connections: int = Field(64, ge=1)
    """Most connections at once."""
    lookup_share: float = Field(0.2, gt=0, le=1)
    """Share of the time in which a tenant's answers of a model alias usually come that a semantic lookup may take. A
    caller's deadline that is nearer counts."""
    shortest_lookup_s: float = Field(0.15, gt=0)
    """How long it may take where that share is less."""
    longest_lookup_s: float = Field(2.0, gt=0)
    """How long it may take where that share is more."""
    lookup_limit_s: float = Field(1.5, gt=0)
    """How long it may take while nobody knows how long answers take."""
    lookups_at_once: int = Field(4, ge=1)
    """Semantic lookups under way at a time, which keep an inference service busy as it ships. Others wait while their
    turn will come in time, and are refused otherwise. Set four for each replica, and more for one with more threads."""
    silence_s: float = Field(1.0, gt=0)
    """How long the inference service may owe answers without giving any; then it counts as failed."""
    rest_s: float = Field(1.0, gt=0)
    """How long a part that failed three times in a row, or fell silent, is left alone."""
    remembered_vectors: int = Field(1024, ge=0)
    """Vectors of the latest questions kept in memory, about 2 KB each."""
    tally_flush_s: float = Field(1.0, gt=0)
    """How long counts, and what was used last, gather before they are sent to Redis."""

    most_bytes: int = Field(256 * 1024 * 1024, ge=1024 * 1024)
    """Memory that the answers of all tenants may take. Past it the tenant that holds most loses what it used longest
    ago. Keep it below two thirds of Redis's `maxmemory`, and that on `noeviction`: budgets live in there, too."""
    encryption_keys: SecretStr = SecretStr("")
    """Seal questions and answers in Redis: keys of 32 bytes in base64, separated by commas. The first one writes, all
    of them read. Empty: they lie there as they are."""

    audit_share: float = Field(0.01, ge=0, le=1)
    """Share of the semantic hits that is asked again in the background, and compared; 0 asks nothing."""
    audits_per_minute: int = Field(10, ge=0)
    """Of a tenant's hits, at most."""
    audit_least_alike: float = Field(0.8, gt=0, le=1)
    """Cosine similarity from which two answers say the same."""
    false_hit_bound: float = Field(0.02, gt=0, lt=1)
    """Share of wrong hits above which, once it is beyond doubt, a partition becomes stricter."""
    strict_for_s: float = Field(24 * 3600.0, gt=0)
    """How long it stays so before it tries with less."""
    off_for_s: float = Field(3600.0, gt=0)
    """How long the semantic tier is off in a partition where strictness did not help; twice as long each time again."""

    @field_validator("languages")
    @classmethod
    def _are_codes(cls, languages: str) -> str:
        codes = [code.strip().lower() for code in languages.split(",")]
        if not all(codes):
            raise ValueError("must be * or codes of languages separated by commas, such as en,de")
        return ",".join(codes)

    @property
    def sealing_keys(self) -> list[bytes]:
        """The keys as bytes, the writing one first."""
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
