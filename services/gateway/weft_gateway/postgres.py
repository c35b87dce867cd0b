"""The gateway's database: keys, jobs, webhooks and the audit."""

from importlib.resources import files
from typing import Final

import psycopg

from weft_kit.mesh_id import DEFAULT_MESH_ID
from weft_kit.stores.postgres import Database, OutageWords, PoolLimits, Schema

SCHEMA: Final = Schema(
    name="public", files=files("weft_gateway") / "migrations", applied="gateway_migrations", lock=7_600_001
)
_WORDS: Final = OutageWords(
    advice="the record store does not answer; retry, and check that PostgreSQL runs",
    failing="postgres does not answer",
    working="postgres answers again",
)
# The SQLSTATE class for exceeding PostgreSQL's limits. To psycopg it is an operational error.
_TOO_LARGE: Final = "54"


def record_database(url: str, *, connections: int = 8, mesh_id: str = DEFAULT_MESH_ID) -> Database:
    """Returns the database at a URL, not entered yet. A statement refused for its size fails with psycopg's error."""
    limits = PoolLimits(least=1, most=connections, wait_s=1.0)
    return Database(url, SCHEMA, limits, _WORDS, mesh_id=mesh_id, is_answer=is_too_large)


def is_too_large(error: psycopg.Error) -> bool:
    """Returns whether PostgreSQL is up and refuses a statement for its size."""
    return (error.sqlstate or "").startswith(_TOO_LARGE)
