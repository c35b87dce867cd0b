"""Several nats-servers that keep every stream together, so that one may die at any time."""

import json
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from weft_compose.errors import PartFailed
from weft_compose.ports import LOOPBACK, free_ports
from weft_compose.servers.nats import NatsServer

_ROUTE_USER = "node"


@dataclass(frozen=True)
class Seat:
    """The place of one node of a cluster."""

    name: str
    """Its name in the cluster. A node that comes back is recognised by it, so it stays with the folder."""
    folder: Path
    port: int
    route_port: int
    """The port for the other nodes."""
    monitor_port: int
    """The port that reports its state over HTTP."""
    log: Path | None = None


class NatsNode(NatsServer):
    """A nats-server that shares its streams with the other nodes of a cluster."""

    def __init__(self, seat: Seat, cluster: str, routes: Sequence[int], password_file: Path) -> None:
        super().__init__(seat.folder, seat.port, seat.log, password_file)
        self.name = self.server_name = seat.name
        self._seat = seat
        self._cluster = cluster
        self._routes = routes

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port, self._seat.route_port, self._seat.monitor_port)

    def settings(self) -> dict[str, Any]:
        return {
            **super().settings(),
            "cluster": {
                "name": self._cluster,
                "listen": f"{LOOPBACK}:{self._seat.route_port}",
                "authorization": {"user": _ROUTE_USER, "password": self.password},
                # Clients get all nodes from the URL, with the password, which nodes do not pass on.
                "no_advertise": True,
                "routes": [f"nats-route://{_ROUTE_USER}:{self.password}@{LOOPBACK}:{port}" for port in self._routes],
            },
            "http": f"{LOOPBACK}:{self._seat.monitor_port}",
            "http_base_path": self._monitor_path,
        }

    @property
    def _monitor_path(self) -> str:
        """The path of its monitoring, which knows no passwords; instead, nobody else can guess the path."""
        return f"/{sha256(f'monitor {self.password}'.encode()).hexdigest()}"

    def recognises(self, info: dict[str, Any]) -> bool:
        return super().recognises(info) and info.get("cluster") == self._cluster and self._is_current()

    def leaders(self) -> dict[str, str]:
        """Returns the leader of each stream held here, as far as this node knows; "" while there is none.

        Raises:
            OSError: the node does not answer.
        """
        _, found = self._ask("/jsz?streams=true")
        accounts = found.get("account_details", ())
        streams = [stream for account in accounts for stream in account.get("stream_detail", ())]
        return {stream["name"]: stream["cluster"].get("leader", "") for stream in streams}

    def _is_current(self) -> bool:
        """Returns whether it follows the cluster's leader, has caught up, and knows each of its streams' leader."""
        return self._ask("/healthz")[0] == 200 and all(self.leaders().values())

    def _ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """Returns status and answer of a request to its monitoring port."""
        with closing(HTTPConnection(LOOPBACK, self._seat.monitor_port, timeout=2)) as connection:
            try:
                connection.request("GET", f"{self._monitor_path}{path}")
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            except HTTPException as broken:
                raise ConnectionError(f"{self.name} broke off its answer to {path}") from broken


class NatsCluster:
    """The nodes of one cluster. Each can be killed, and started again with its folder."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        # Unique on this machine, and the same for the same folders.
        name = f"weft-{sha256(str(seats[0].folder.absolute()).encode()).hexdigest()[:8]}"
        routes = [seat.route_port for seat in seats]
        # Clients and nodes share one password.
        password_file = seats[0].folder.resolve().with_suffix(".password")
        self.nodes = tuple(NatsNode(seat, name, routes, password_file) for seat in seats)

    @classmethod
    def of_size(cls, size: int, folder: Path, port: int) -> "NatsCluster":
        """Returns a cluster in subfolders of `folder`, with its first node on `port` and the rest on free ports."""
        ports = iter([port, *free_ports(3 * size - 1)])
        names = [f"n{number}" for number in range(1, size + 1)]
        return cls([Seat(name, folder / name, next(ports), next(ports), next(ports)) for name in names])

    @property
    def url(self) -> str:
        """The URL for clients: every node, separated by commas."""
        return ",".join(node.url for node in self.nodes)

    def node(self, name: str) -> NatsNode:
        """Returns a node by its name in the cluster, such as `cluster.leader` of a stream's info."""
        return {node.name: node for node in self.nodes}[name]

    def leader_of(self, stream: str) -> NatsNode:
        """Returns the node that leads a stream now.

        Raises:
            PartFailed: no node that answers knows a leader.
        """
        for node in self.nodes:
            with suppress(OSError):
                if leader := node.leaders().get(stream):
                    return self.node(leader)
        raise PartFailed(f"no nats-server knows who leads the stream {stream}: a majority of them must run")

    def prepare(self) -> None:
        """Prepares every node's folder for a start. A repeat does nothing."""
        for node in self.nodes:
            node.prepare()

    def start(self) -> None:
        """Starts every node without waiting. Call it on the main thread, see Child."""
        for node in self.nodes:
            node.start()

    def wait_ready(self) -> None:
        """Blocks until every node follows a leader and has caught up.

        Raises:
            PartFailed: one ended, or was not ready in time.
        """
        for node in self.nodes:
            node.wait_ready()

    def stop(self) -> None:
        """Stops the nodes that run."""
        for node in self.nodes:
            node.stop()
