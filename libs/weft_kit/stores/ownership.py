"""Which mesh owns a PostgreSQL database or a Redis: the first one that uses it; others are refused."""

from typing import TYPE_CHECKING, Any, Final, LiteralString

from weft_kit.mesh_id import OtherMesh

# A service has only the drivers of the stores it uses.
if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from redis.asyncio import Redis

_KEY: Final = "weft:mesh"


async def claim_database(connection: "AsyncConnection[Any]", schema: LiteralString, mesh_id: str) -> str:
    """Claims a database for this mesh and returns the database's own id; `schema` has the table `mesh`.

    Raises:
        OtherMesh: another mesh keeps its jobs or documents there.
    """
    from psycopg import sql

    table = sql.Identifier(schema, "mesh")
    claim = sql.SQL("INSERT INTO {} (id) VALUES (%s) ON CONFLICT DO NOTHING").format(table)
    await connection.execute(claim, (mesh_id,))
    found = await connection.execute(sql.SQL("SELECT id, database::text FROM {}").format(table))
    theirs, database = await found.fetchone() or ("", "")
    if theirs != mesh_id:
        raise OtherMesh("this PostgreSQL database", theirs, mesh_id)
    return str(database)


async def claim_redis(redis: "Redis", mesh_id: str) -> None:
    """Claims a Redis for this mesh; does nothing where it does not answer.

    Raises:
        OtherMesh: another mesh keeps its answers, budgets and rates there.
    """
    from redis.exceptions import RedisError

    try:
        theirs: Any = await redis.set(_KEY, mesh_id, nx=True, get=True)
    except (RedisError, OSError):
        return
    if theirs and theirs != mesh_id.encode():
        raise OtherMesh("this Redis", theirs.decode(), mesh_id)
