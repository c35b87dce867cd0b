"""Endpoints as people write them, converted to gRPC targets."""

from collections.abc import Iterable
from ipaddress import ip_address

_LISTS = ("ipv4:", "ipv6:")


def target(endpoint: str) -> str:
    """Returns the gRPC target for an endpoint: host:port, ip:port of several gateways separated by commas, or a target.

    Raises:
        ValueError: it is none of these; the text is one line for people.
    """
    if endpoint.startswith(("http://", "https://")):
        raise ValueError(f"the endpoint is host:port alone, without http://; it is {endpoint}")
    if "," not in endpoint or endpoint.startswith(_LISTS):
        return endpoint
    addresses = replicas(endpoint)
    return f"{_family(endpoint, addresses)}:{','.join(sorted(addresses))}"


def replicas(endpoint: str) -> frozenset[str]:
    """Returns the gateways that an endpoint names."""
    addresses = endpoint.removeprefix("ipv4:").removeprefix("ipv6:").split(",")
    return frozenset(stripped for address in addresses if (stripped := address.strip()))


def _family(endpoint: str, addresses: Iterable[str]) -> str:
    """Returns the address family of a list: gRPC has lists for IPv4 and for IPv6, and none for names."""
    try:
        versions = {ip_address(address.rpartition(":")[0].strip("[]")).version for address in addresses}
        (version,) = versions
    except ValueError:
        raise ValueError(
            "name several gateways by IP address and port, all IPv4 or all IPv6, like 10.0.0.1:7600,10.0.0.2:7600; "
            f"for every address of one name use dns:///NAME:PORT; it is {endpoint}"
        ) from None
    return f"ipv{version}"
