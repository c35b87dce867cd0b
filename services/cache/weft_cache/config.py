"""Settings of the cache, from variables that begin with WEFT_CACHE_."""

from pydantic import Field

from weft_kit.config import Settings


class Config(Settings, env_prefix="WEFT_CACHE_"):
    listen: str = "127.0.0.1:7605"
    redis_url: str = "redis://127.0.0.1:6379/0"
    """A Redis with the query engine (RediSearch). Without it only the exact tier answers."""
    inference_target: str = "127.0.0.1:7604"
    """Who embeds questions. While nobody does, only the exact tier answers."""

    ttl_s: float = Field(24 * 3600.0, gt=0)
    """How long an answer is kept."""
    ttl_jitter: float = Field(0.1, ge=0, lt=1)
    """Share of that by which a life is shortened at random."""
    threshold: float = Field(0.95, gt=0, le=1)
    """Cosine similarity the semantic tier needs; requests may ask for more, never for less."""

    redis_limit_s: float = Field(0.05, gt=0)
    """How long one exchange with Redis may take; after that the lookup is a miss."""
    redis_connections: int = Field(64, ge=1)
    embed_limit_s: float = Field(0.15, gt=0)
    """How long an embedding may take; after that only the exact tier answers."""
    rest_s: float = Field(1.0, gt=0)
    """How long a part that broke its limit three times in a row is left alone."""
    remembered_vectors: int = Field(1024, ge=0)
    """Vectors of the latest questions kept in memory, about 2 KB each."""
    tally_flush_s: float = Field(1.0, gt=0)
    """How long counts gather before they are added up in Redis."""
