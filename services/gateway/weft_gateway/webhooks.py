"""When and where webhooks may go."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `text` is for the record and names no answer of the target."""

    delivered: bool
    final: bool
    text: str


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits between tries: first after `first_s`, never longer than `longest_s`, `attempts` tries in all."""

    first_s: float = 5.0
    longest_s: float = 3600.0
    attempts: int = 8

    def next_s(self, attempts_made: int) -> float | None:
        """Seconds until the next try, None when there is none."""
        if attempts_made >= self.attempts:
            return None
        return float(min(self.longest_s, self.first_s * 2 ** (attempts_made - 1)))


def private_address(addresses: Iterable[str]) -> str | None:
    """The first address that is not a public one. Any is enough to refuse: a name may resolve to several."""
    return next((address for address in addresses if not _is_public(address)), None)


def _is_public(text: str) -> bool:
    # A zone id ("fe80::1%eth0") only exists on local addresses.
    if "%" in text:
        return False
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
