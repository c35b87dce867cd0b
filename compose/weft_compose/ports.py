"""Ports on the loopback address: free ones, and the processes that use the others."""

import socket

import psutil

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Returns distinct ports that are reserved for this process as long as it lives.

    Each is held by a socket that does not listen: no other process is given the port, and no connection starts from
    it, but servers, which set SO_REUSEADDR, can listen on it, repeatedly.
    """
    sockets = [_bound(0) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.detach()  # from its object: what stays open until the process ends is no leak
    return ports


def is_free(port: int) -> bool:
    """Returns whether a server could listen on the port now."""
    try:
        _bound(port).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """Returns the name of the process that listens on the port, if this user may know it."""
    for connection in psutil.net_connections("tcp"):
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and connection.pid and address and address.port == port:
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    # Servers do this too: a port whose last connections still linger in TIME_WAIT is free.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound
