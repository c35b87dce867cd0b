"""Where the pages of the gateway's lists begin: at a time and an id, from the newest to the oldest."""

from datetime import datetime

from weft_kit.stores.page_tokens import PageTokens
from weft_kit.stores.postgres import Database

Position = tuple[datetime, str]
"""Where a page ends: time and id of its last item."""


class Pages:
    """Positions in tokens. Raises DependencyDown while PostgreSQL, which has the key, does not answer."""

    def __init__(self, database: Database, *, limit_s: float = 2.0) -> None:
        self._database = database
        self._limit_s = limit_s
        self._tokens = PageTokens(self._key)

    async def read(self, token: str, *scope: str) -> Position | None:
        """Returns the position a token holds, None for the first page; Invalid for a token of another list."""
        time, _, item_id = (await self._tokens.read(token, *scope)).partition(" ")
        return (datetime.fromisoformat(time), item_id) if time else None

    async def write(self, position: Position | None, *scope: str) -> str:
        """Returns the token of a position; empty when there is no further page."""
        return await self._tokens.write(f"{position[0].isoformat()} {position[1]}" if position else "", *scope)

    async def _key(self) -> bytes:
        async with self._database.connection(self._limit_s) as connection:
            ((key,),) = await (await connection.execute("SELECT key FROM page_token_key")).fetchall()
        return bytes(key)
