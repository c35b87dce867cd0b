"""The bytes of requests that are being handled, by whoever sent them: nobody may fill a server's memory with them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from weft_kit.errors import Overloaded
from weft_kit.peers import address_of
from weft_kit.request_limits import RequestLimits

_WAIT_S: Final = 0.5
Owner = tuple[str, str]
_ALL: Final[Owner] = ("", "")


class HeldRequests:
    """Counts each request from its arrival until its call is over."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._bytes: Counter[Owner] = Counter()

    @contextmanager
    def holding(self, size_bytes: int, peer: str, tenant: str) -> Iterator[None]:
        """Counts a request while the context lasts; raises Overloaded when somebody would hold too many bytes."""
        owners = self._owners(peer, tenant)
        for owner, share in owners.items():
            self._check(owner, size_bytes, share)
        self._add(owners, size_bytes)
        try:
            yield
        finally:
            self._add(owners, -size_bytes)

    def _owners(self, peer: str, tenant: str) -> dict[Owner, int]:
        """Returns who is counted, and how many parts of the whole each may hold: 1 of 1, of 2, of 4."""
        owners = {_ALL: 1}
        if tenant:
            owners["tenant", tenant] = 2
        if self._limits.separates_peers:
            owners["address", address_of(peer)] = 2
            owners["connection", peer] = 4
        return owners

    def _check(self, owner: Owner, size_bytes: int, share: int) -> None:
        limit = self._limits.held_bytes // share
        if self._bytes[owner] and self._bytes[owner] + size_bytes > limit:
            whose = f"unanswered requests of this {owner[0] or 'server'}"
            message = f"{whose} may have {limit} bytes together; send fewer at once, or wait"
            raise Overloaded(message, _WAIT_S, limit_bytes=str(limit))

    def _add(self, owners: dict[Owner, int], size_bytes: int) -> None:
        for owner in owners:
            self._bytes[owner] += size_bytes
            if not self._bytes[owner]:
                del self._bytes[owner]
