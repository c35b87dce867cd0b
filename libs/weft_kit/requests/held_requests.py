"""Counts the bytes of requests being handled, by sender, so that none can fill a server's memory."""

from collections.abc import Sequence
from typing import Final

from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.errors import Overloaded
from weft_kit.rpc.peers import address_of

_WAIT_S: Final = 0.5
Owner = tuple[str, str]
_ALL: Final[Owner] = ("server", "")
# The limit of each kind is the server's, divided by this.
_PARTS: Final = {"server": 1, "tenant": 2, "address": 2, "connection": 4}


class HeldRequests:
    """Counts each request from its arrival to the end of its call."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._bytes: dict[Owner, int] = {}

    def hold(self, size_bytes: int, peer: str, tenant: str) -> Sequence[Owner]:
        """Counts a request for each of its owners, which it returns, until `release`.

        Raises:
            Overloaded: one of them would hold too much. A single request is taken, however large it is.
        """
        owners = [_ALL]
        if tenant:
            owners.append(("tenant", tenant))
        if self._limits.separates_peers:
            owners += ("address", address_of(peer)), ("connection", peer)
        held = self._bytes
        for owner in owners:
            if (before := held.get(owner, 0)) and before + size_bytes > self._limit(owner):
                raise self._overloaded(owner)
        for owner in owners:
            held[owner] = held.get(owner, 0) + size_bytes
        return owners

    def release(self, size_bytes: int, owners: Sequence[Owner]) -> None:
        for owner in owners:
            if left := self._bytes.get(owner, 0) - size_bytes:
                self._bytes[owner] = left
            else:
                self._bytes.pop(owner, None)

    def _limit(self, owner: Owner) -> int:
        return self._limits.held_bytes // _PARTS[owner[0]]

    def _overloaded(self, owner: Owner) -> Overloaded:
        limit = self._limit(owner)
        message = f"unanswered requests of this {owner[0]} may have {limit} bytes together; send fewer at once, or wait"
        return Overloaded(message, _WAIT_S, limit_bytes=str(limit))
