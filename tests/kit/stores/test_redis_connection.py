"""Commands packed in C are the bytes that redis-py itself would send."""

import pytest
from redis.asyncio import Connection
from redis.typing import EncodableT

from weft_kit.stores.redis_connection import PackedConnection


@pytest.mark.parametrize(
    "command",
    [
        ("EVALSHA", "2ef7bde608ce5404e97d5f042f95f89f1c232871", 1, "weft:rate:key:k1", 10_000, -1, 2.5),
        ("SCRIPT LOAD", "return 1"),
        ("SET", "name", "ü\0 \r\n", "PX", 1),
        ("SET", "name", bytes(range(256)) * 64),
        ("HELLO", 3),
    ],
    ids=lambda command: command[0],
)
def test_commands_are_the_bytes_that_redis_py_sends(command: tuple[EncodableT, ...]) -> None:
    assert b"".join(PackedConnection().pack_command(*command)) == b"".join(Connection().pack_command(*command))
