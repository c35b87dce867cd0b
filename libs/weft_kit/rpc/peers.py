"""The address at the other end of a connection."""

from functools import lru_cache
from urllib.parse import unquote


@lru_cache(maxsize=4096)
def address_of(peer: str) -> str:
    """Returns the address in gRPC's name for a peer, such as `ipv4:127.0.0.1:5000` or `ipv6:%5B::1%5D:5000`."""
    family, _, rest = unquote(peer).partition(":")
    if family in {"ipv4", "ipv6"}:
        return rest.rpartition(":")[0].strip("[]")
    return peer
