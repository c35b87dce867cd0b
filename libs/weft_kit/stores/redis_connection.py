"""A connection to Redis that packs its commands in C."""

import hiredis
from redis.asyncio import Connection
from redis.typing import EncodableT


class PackedConnection(Connection):
    """Packs like redis-py's synchronous connections. Its asynchronous ones do it in Python, even with hiredis."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        name, *others = args
        # Some commands have names of two words, which Redis expects as two arguments.
        words = name.split() if isinstance(name, str) else [name]
        return [hiredis.pack_command((*words, *others))]
