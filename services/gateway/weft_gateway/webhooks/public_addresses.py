"""Which addresses are public: webhooks may go only to these."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

# These prefixes embed an IPv4 address, and a packet to the one may arrive at the other.
_IPV4_INSIDE: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
# Everything assigned to the public Internet is in here; obsolete tunnels (6to4, Teredo) can hide any IPv4 address.
_IPV6_PUBLIC: Final = IPv6Network("2000::/3")
_IPV6_TUNNELS: Final = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
# Looks public but is internal to a cloud: Azure's platform answers its virtual machines there.
_PLATFORMS: Final = frozenset({IPv4Address("168.63.129.16")})


def private_address(addresses: Iterable[str]) -> str | None:
    """Returns the first address that is not public. One is enough to refuse, although a name may resolve to several."""
    return next((address for address in addresses if not _is_public(address)), None)


def _is_public(text: str) -> bool:
    # A zone ("fe80::1%eth0") only exists on local addresses.
    if "%" in text:
        return False
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if any(address in prefix for prefix in _IPV4_INSIDE):
            address = IPv4Address(int(address) & 0xFFFF_FFFF)
        elif address not in _IPV6_PUBLIC or any(address in prefix for prefix in _IPV6_TUNNELS):
            return False
    return address.is_global and not address.is_multicast and address not in _PLATFORMS
