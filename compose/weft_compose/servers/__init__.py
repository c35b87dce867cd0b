"""The real servers of the mesh, each started from a wheel with a data folder of its own."""

from weft_compose.servers.nats import NatsServer
from weft_compose.servers.nats_cluster import NatsCluster, NatsNode, Seat
from weft_compose.servers.postgres import PostgresServer
from weft_compose.servers.server import EmbeddedServer, serving
from weft_compose.servers.valkey import ValkeyServer

__all__ = [
    "EmbeddedServer",
    "NatsCluster",
    "NatsNode",
    "NatsServer",
    "PostgresServer",
    "Seat",
    "ValkeyServer",
    "serving",
]
