"""Ports on the loopback address: free ones, and who holds the others."""

import socket
from contextlib import ExitStack

import psutil

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Returns distinct ports that were free a moment ago; whoever binds one may still find it taken."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def is_free(port: int) -> bool:
    """Tells whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections still linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Names the process that listens on the port, as far as this user may know it."""
    for connection in psutil.net_connections("tcp"):
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and connection.pid and address and address.port == port:
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"
