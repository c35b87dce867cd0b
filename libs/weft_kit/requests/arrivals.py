"""Incoming requests: read only once the caller is known, and refused when they are late, too many or too large.

gRPC hands over a message, and checks its size, only when it is complete, so a caller could fill the memory before the
message can be refused. Until a call is read, HTTP/2 lets through 64 KiB of it. After that, while a request is late, the
kernel is asked 100 times a second how much its connection has received. Where the kernel cannot tell (see
`received_bytes`), the only limit is the time that a request may take.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc.aio

from weft_kit.requests.decoding import inflated, is_compressed
from weft_kit.requests.limits import RequestLimits, too_large
from weft_kit.requests.received_bytes import ReceivedBytes
from weft_kit.rpc.call import Rpc
from weft_kit.rpc.errors import DeadlineExceeded, Overloaded, WeftError

_LOOK_EVERY_S: Final = 0.01
# A request normally arrives with its call; a call still without one after this time is half open.
_HALF_OPEN_S: Final = 1.0
_MOST_HALF_OPEN: Final = 1_024
_MOST_HALF_OPEN_OF_CONNECTION: Final = 64
_SLOWEST_BYTES_PER_S: Final = 256 * 1024
# Headers, frames and pings use the same connection: some when it opens, some with each request.
_OVERHEAD_BYTES: Final = 512 * 1024
_OVERHEAD_OF_REQUEST_BYTES: Final = 1024
_WAIT_S: Final = 1.0


@dataclass(eq=False, slots=True)
class _Arrival:
    peer: str
    limit_bytes: int
    since: float
    longest_s: float
    task: asyncio.Task[Any]
    refusal: WeftError | None = None

    def refuse(self, refusal: WeftError) -> None:
        """Ends the wait: `receive` raises `refusal`, the first one given."""
        if self.refusal is None:
            self.refusal = refusal
            self.task.cancel()


@dataclass(eq=False, slots=True)
class _Connection:
    """The bytes that a connection had received at the first look, and those of the messages delivered since."""

    base: int
    delivered: int = 0

    def under_way(self, received: int) -> int:
        return received - self.base - self.delivered


class Arrivals:
    """Receives the requests of a server's calls."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._received = ReceivedBytes()
        self._waiting: set[_Arrival] = set()
        self._connections: dict[str, _Connection] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, rpc: Rpc, peer: str, limit_bytes: int) -> bytes | None:
        """Returns the next message of a call, decompressed; None when there is no more.

        Raises:
            WeftError: the message was refused: it is late, too large, or one of too many.
        """
        loop = asyncio.get_running_loop()
        # gRPC runs every handler in a task of its own.
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        longest_s = self._limits.arrives_within_s + limit_bytes / _SLOWEST_BYTES_PER_S
        arrival = _Arrival(peer, limit_bytes, loop.time(), longest_s, task)
        self._waiting.add(arrival)
        if self._timer is None:
            self._timer = loop.call_later(_LOOK_EVERY_S, self._look, loop)
        try:
            message: Any = await rpc.read()
        except asyncio.CancelledError:
            if arrival.refusal is None:
                raise
            task.uncancel()
            raise arrival.refusal from None
        finally:
            self._waiting.discard(arrival)
        if message is grpc.aio.EOF:
            return None
        if connection := self._connections.get(peer):
            connection.delivered += len(message) + _OVERHEAD_OF_REQUEST_BYTES
        if len(message) > limit_bytes:
            raise too_large(len(message), limit_bytes)
        return await inflated(message, limit_bytes) if is_compressed(message) else bytes(message)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = [arrival for arrival in self._waiting if now - arrival.since >= _LOOK_EVERY_S]
        by_peer: dict[str, list[_Arrival]] = defaultdict(list)
        for arrival in late:
            by_peer[arrival.peer].append(arrival)
        for peer in self._connections.keys() - by_peer.keys():
            del self._connections[peer]
        self._weigh(by_peer)
        self._end_half_open([arrival for arrival in late if now - arrival.since >= _HALF_OPEN_S], now)
        self._timer = loop.call_later(_LOOK_EVERY_S, self._look, loop) if self._waiting else None

    def _weigh(self, by_peer: dict[str, list[_Arrival]]) -> None:
        """Refuses the requests of connections that send more than their calls may.

        While all connections together are over the server's limit, the one with the most bytes under way is refused.
        """
        under_way = {}
        for peer, arrivals in by_peer.items():
            received = self._received.of(peer)
            if received is None:
                continue
            connection = self._connections.setdefault(peer, _Connection(received))
            under_way[peer] = connection.under_way(received)
            if under_way[peer] > self._allowed(arrivals):
                _refuse_bytes(arrivals, under_way.pop(peer))
        while under_way and sum(under_way.values()) > self._limits.held_bytes:
            most = max(under_way, key=under_way.__getitem__)
            del under_way[most]
            _refuse(by_peer[most], "this server receives more than it can hold; send again")

    def _allowed(self, arrivals: Iterable[_Arrival]) -> int:
        together = sum(arrival.limit_bytes for arrival in arrivals)
        most = self._limits.held_bytes // 4 if self._limits.separates_peers else self._limits.held_bytes
        return min(together, most) + _OVERHEAD_BYTES

    def _end_half_open(self, arrivals: Sequence[_Arrival], now: float) -> None:
        """Refuses arrivals that took too long and, where there are too many, the latest ones."""
        of_connection: dict[str, int] = defaultdict(int)
        for count, arrival in enumerate(sorted(arrivals, key=lambda arrival: arrival.since), 1):
            of_connection[arrival.peer] += 1
            if now - arrival.since > arrival.longest_s:
                waited = f"the request did not arrive within {arrival.longest_s:g} s; send it with the call"
                arrival.refuse(DeadlineExceeded(waited))
            elif count > _MOST_HALF_OPEN or self._is_one_too_many(of_connection[arrival.peer]):
                _refuse([arrival], "too many calls wait for their requests; send each request with its call")

    def _is_one_too_many(self, of_connection: int) -> bool:
        return self._limits.separates_peers and of_connection > _MOST_HALF_OPEN_OF_CONNECTION


def _refuse_bytes(arrivals: Sequence[_Arrival], under_way: int) -> None:
    """Refuses a connection's arrivals; only if there is a single one is it known which request is too large."""
    if len(arrivals) == 1:
        arrivals[0].refuse(too_large(under_way, arrivals[0].limit_bytes))
    else:
        _refuse(arrivals, "this connection sends more than its calls may; send requests one after the other")


def _refuse(arrivals: Iterable[_Arrival], message: str) -> None:
    for arrival in arrivals:
        arrival.refuse(Overloaded(message, _WAIT_S))
