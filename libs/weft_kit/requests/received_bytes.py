"""How many bytes a connection has received, as the kernel counts them.

gRPC hands over a message only when it is complete, however large it is, so what is still arriving can only be seen
from below. Linux tells this for every TCP socket; for other sockets, and on other systems, it is not known.
"""

import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

_OWN_FILES: Final = Path("/proc/self/fd")
# The place of tcpi_bytes_received in `struct tcp_info` of linux/tcp.h, since Linux 4.1.
_BYTES_RECEIVED: Final = slice(128, 136)
_FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}
# The share of the time that the search for sockets may take, however many connections come and go.
_LOOKING_SHARE: Final = 0.05


class ReceivedBytes:
    """Finds the sockets of this process by the address at their other end, and remembers them."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._next_look = 0.0

    def of(self, peer: str) -> int | None:
        """Returns the bytes received from `peer`, such as gRPC's `ipv4:127.0.0.1:50000`; None if that is not known."""
        peer = unquote(peer)
        found = self._count(peer)
        if found is None and time.monotonic() >= self._next_look:
            self._look()
            found = self._count(peer)
        return found

    def _count(self, peer: str) -> int | None:
        file = self._files.get(peer)
        return None if file is None else _count(file, peer)

    def _look(self) -> None:
        began = time.monotonic()
        self._files = {peer: file for file in _sockets() if (peer := _peer_of(file))}
        now = time.monotonic()
        self._next_look = now + (now - began) / _LOOKING_SHARE


def _sockets() -> list[int]:
    found = []
    with suppress(OSError):
        for file in _OWN_FILES.iterdir():
            with suppress(OSError):  # closed since
                if str(file.readlink()).startswith("socket:"):
                    found.append(int(file.name))
    return found


def _peer_of(file: int) -> str:
    """Returns the other end's address in gRPC's spelling; "" if the file is not a TCP connection."""
    try:
        borrowed = socket.socket(fileno=file)
    except OSError:
        return ""
    try:
        return _spelled(borrowed.getpeername()) if borrowed.family in _FAMILIES else ""
    except OSError:
        return ""
    finally:
        borrowed.detach()


def _count(file: int, peer: str) -> int | None:
    """Returns the bytes that the socket received; None if the file is not this peer's connection any more."""
    if _peer_of(file) != peer:
        return None
    try:
        borrowed = socket.socket(fileno=file)
    except OSError:
        return None
    try:
        known = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.stop)
    except (AttributeError, OSError):  # not on Linux, or no TCP
        return None
    finally:
        borrowed.detach()
    return int.from_bytes(known[_BYTES_RECEIVED], sys.byteorder)


def _spelled(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    host = host.removeprefix("::ffff:")
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
