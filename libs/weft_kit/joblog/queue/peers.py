"""Workers of one queue look after each other: when one is gone, another hands on at once what it held.

Without that, a lost worker's jobs wait until the log has missed its heartbeats for the ack wait. Workers tell each
other what they hold, and each asks the next one, in the order of their names, whether it is there. Nobody answers for
a process that was killed: nats-server forgets its subscriptions as its connection breaks, and says so at once. What it
held is then given back in its name.

All of this is a hint, told over plain NATS. What it misses (a frozen process, a machine without power, a worker that
has no peers) comes again after the ack wait. A job that is handed on though its worker lives costs a provider's call:
the fence keeps two workers from writing.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import nats.errors
import structlog
from nats.aio.msg import Msg
from prometheus_client import Counter

from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.settings import LogConfig
from weft_kit.tasks import background

HANDED_ON = Counter("weft_leases_handed_on", "Leases of workers that were gone, given back by this one.")

_ASK_EVERY_S: Final = 0.25
_ANSWER_S: Final = 1.0
# A connection that breaks is back after .1 to .3 s. When it takes longer, so does all that its worker writes.
_GONE_AFTER_S: Final = 0.6
# When a nats-server comes back, its connections do one after another, within a second or two.
_SETTLED_AFTER_S: Final = 3.0
# What is taken and given back within this time is never spoken of.
_GATHER_S: Final = 0.02
_SAY_ALL_EVERY_S: Final = 5.0
_MOST_IN_ONE: Final = 2_000


@dataclass(slots=True)
class _Peer:
    name: str
    held: set[str] = field(default_factory=set)
    missing_since: float | None = None


class Peers:
    """The workers of one log's queue, as one of them sees the others. `name` is what their logs call this one."""

    def __init__(self, client: FrugalClient, config: LogConfig, name: str = "") -> None:
        self._client = client
        self._subject = f"weft.workers.{config.stream}"
        self._id = secrets.token_hex(8)
        self._name = name or self._id
        self._held: set[str] = set()
        self._unsaid: dict[str, str] = {}
        """By delivery, "+" for one that was taken and "-" for one that was given back, until peers are told."""
        self._timer: asyncio.TimerHandle | None = None
        self._was_asked = asyncio.Event()
        self._is_leaving = False
        self._peers: dict[str, _Peer] = {}
        self._connected_at = 0.0

    def take(self, delivery_id: str) -> None:
        """Notes that this worker holds a delivery now."""
        self._held.add(delivery_id)
        self._change(delivery_id, "+")

    def drop(self, delivery_id: str) -> None:
        """Notes that it does not any more; what it never held is no matter."""
        if delivery_id in self._held:
            self._held.remove(delivery_id)
            self._change(delivery_id, "-")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Looks after peers while the context lasts. They look after this worker for as long as it holds something."""
        self._is_leaving = False
        self._connected_at = asyncio.get_running_loop().time()
        subscriptions = [
            await self._client.listen(f"{self._subject}.{self._id}", self._answer),
            await self._client.listen(self._subject, self._heard),
        ]
        self._client.on_reconnect(self._reconnected)
        self._post("hello")
        try:
            async with background(self._say_all_often()), background(self._watch()):
                yield
        finally:
            self._client.forget_reconnect(self._reconnected)
            self._is_leaving = True
            if not self._held:
                self._post("bye")
                for subscription in subscriptions:
                    with suppress(nats.errors.Error):
                        await subscription.unsubscribe()

    # --- telling ----------------------------------------------------------------------------------------------------

    def _change(self, delivery_id: str, sign: str) -> None:
        if self._unsaid.pop(delivery_id, sign) == sign:
            self._unsaid[delivery_id] = sign
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_S, self._say_changes)

    def _say_changes(self) -> None:
        self._timer = None
        changes = [sign + delivery_id for delivery_id, sign in self._unsaid.items()]
        self._unsaid.clear()
        for some in _batches(changes):
            self._post("changes", some)
        if self._is_leaving and not self._held:
            self._post("bye")

    def _say_all(self) -> None:
        self._unsaid.clear()
        self._post("all")
        for some in _batches([f"+{delivery_id}" for delivery_id in self._held]):
            self._post("changes", some)

    async def _say_all_often(self) -> None:
        """Says again what is held, for those who came later, and those who missed something."""
        while True:
            self._say_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAY_ALL_EVERY_S):
                    await self._was_asked.wait()
                await asyncio.sleep(_GATHER_S)  # many may ask at once
            self._was_asked.clear()

    def _post(self, kind: str, words: Sequence[str] = ()) -> None:
        with suppress(nats.errors.Error):  # the connection is away: all is said again once it is back
            self._client.post(self._subject, "\n".join((self._id, self._name, kind, *words)).encode())

    def _answer(self, question: Msg) -> None:
        self._client.post(question.reply, b"")

    # --- listening and looking --------------------------------------------------------------------------------------

    def _heard(self, message: Msg) -> None:
        speaker, name, kind, *words = message.data.decode().split("\n")
        if speaker == self._id:
            return
        match kind:
            case "hello":
                self._was_asked.set()
            case "all":
                self._peers[speaker] = _Peer(name)
            case "changes":
                _apply(words, self._peers.setdefault(speaker, _Peer(name)).held)
            case "bye":
                self._peers.pop(speaker, None)
            case "gone":
                self._peers.pop(words[0], None)

    def _reconnected(self) -> None:
        self._connected_at = asyncio.get_running_loop().time()
        for peer in self._peers.values():
            peer.missing_since = None
        self._post("hello")
        self._was_asked.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_ASK_EVERY_S)
            if self._peers:
                await self._look_after(min((one for one in self._peers if one > self._id), default=min(self._peers)))

    async def _look_after(self, peer_id: str) -> None:
        peer = self._peers[peer_id]
        if await self._is_there(peer_id):
            peer.missing_since = None
            return
        now = asyncio.get_running_loop().time()
        if peer.missing_since is None:
            peer.missing_since = now
        is_gone = now - peer.missing_since >= _GONE_AFTER_S and now - self._connected_at >= _SETTLED_AFTER_S
        if is_gone and self._peers.get(peer_id) is peer:
            self._hand_on(peer_id)

    async def _is_there(self, peer_id: str) -> bool:
        """Returns False only where nats-server says that nobody listens: a silent worker may be a busy one."""
        try:
            await self._client.request(f"{self._subject}.{peer_id}", timeout=_ANSWER_S)
        except nats.errors.NoRespondersError:
            return False
        except nats.errors.Error:
            return True
        return True

    def _hand_on(self, peer_id: str) -> None:
        peer = self._peers.pop(peer_id)
        for delivery_id in peer.held:
            with suppress(nats.errors.Error):  # then it comes again after the ack wait
                self._client.post(delivery_id, b"-NAK")
        self._post("gone", (peer_id,))
        HANDED_ON.inc(len(peer.held))
        structlog.get_logger().warning(
            "a worker is gone, its jobs are handed on", worker=peer.name, jobs=len(peer.held)
        )


def _batches(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields words as many at a time as a message carries."""
    for begin in range(0, len(words), _MOST_IN_ONE):
        yield words[begin : begin + _MOST_IN_ONE]


def _apply(changes: Sequence[str], held: set[str]) -> None:
    for change in changes:
        (held.add if change[0] == "+" else held.discard)(change[1:])
