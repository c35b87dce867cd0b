"""Whose PostgreSQL and Redis are: the first mesh that comes has them, and no other one gets in."""

from typing import TYPE_CHECKING, Any, Final, LiteralString

from weft_kit.mesh_id import OtherMesh

# A service has the drivers of its own stores alone.
if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from redis.asyncio import Redis

_KEY: Final = "weft:mesh"


async def claim_database(connection: "AsyncConnection[Any]", schema: LiteralString, mesh_id: str) -> str:
    """Returns what a database calls itself, once it is this mesh's; `schema` has the table `mesh`.

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
    """Returns once Redis is this mesh's; where it does not answer, it is not judged.

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
