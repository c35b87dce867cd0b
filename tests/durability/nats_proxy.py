"""A proxy between one process and nats-server that knows the steps of a job as they pass, and acts when one does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.support.tcp_proxy import End, TcpProxy

from weft_kit.joblog.events.ids import KINDS

_SIZED = {b"PUB": 1, b"HPUB": 2, b"MSG": 1, b"HMSG": 2}
"""Verbs that a payload follows, and how many sizes end their line; the last one is the payload's."""


class Moment(Enum):
    """When, on a step's way into the log."""

    BEFORE = auto()
    """It has left the process and not reached the log."""
    UNHEARD = auto()
    """The log has stored it, and its answer has not reached the process."""
    HEARD = auto()
    """The process has the log's answer."""


@dataclass
class Trap:
    """What to do when a step passes, once.

    `step` is a kind of event ("started"), "alive" when a worker says that it still has a job, "ack" when it gives back
    the lease of one that is done, or "recorded" when the recorder has written events down. With `cuts` the connection
    ends there, as it would with its process; else the step goes on its way once `spring` is over.
    """

    step: str
    moment: Moment
    spring: Callable[["NatsProxy"], Awaitable[None]]
    nth: int = 1
    cuts: bool = True
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes = b""
    """What the log answered to the step; empty while it has not."""

    def counts(self, step: str) -> bool:
        """Says whether this is the step waited for; steps of other proxies with the same trap count too."""
        if step != self.step:
            return False
        self.nth -= 1
        return self.nth == 0


class Frame(NamedTuple):
    """One message of the NATS client protocol: its bytes, and what they say."""

    raw: bytes
    verb: bytes
    subject: str = ""
    reply: str = ""
    payload: bytes = b""

    @property
    def step(self) -> str:
        """The step of a job that a message to the server is; "" for all else."""
        tokens = self.subject.split(".")
        if self.verb not in {b"PUB", b"HPUB"}:
            return ""
        if len(tokens) == 4 and tokens[3] in KINDS:
            return tokens[3]
        if not self.subject.startswith("$JS.ACK."):
            return ""
        by_worker = tokens[3].startswith("lane-")
        if self.payload == b"+ACK":
            return "ack" if by_worker else "recorded"
        return "alive" if by_worker and self.payload == b"+WPI" else ""


class NatsProxy(TcpProxy):
    """Passes everything on between clients and the server at a URL, and springs the traps that are set for it."""

    def __init__(self, url: str) -> None:
        far = urlsplit(url)
        super().__init__(far.hostname or "", far.port or 0)
        # What it takes to be let in, which clients send and this passes on.
        self._credentials = far.netloc.rpartition("@")[0]
        self._traps: list[Trap] = []

    @property
    def url(self) -> str:
        return f"nats://{self._credentials}@{self.address}"

    def arm(self, trap: Trap) -> None:
        self._traps.append(trap)

    def disarm(self) -> None:
        self._traps.clear()

    def trap_for(self, frame: Frame) -> Trap | None:
        step = frame.step
        return next((trap for trap in self._traps if step and trap.counts(step)), None)

    def _pumps(self, near: End, far: End) -> Sequence[Coroutine[Any, Any, None]]:
        return _Connection(self, near, far).pumps()


class _Connection:
    """The two directions of one connection, and the answers that traps wait for."""

    def __init__(self, proxy: NatsProxy, near: End, far: End) -> None:
        self._proxy = proxy
        self._near_reader, self._near = near
        self._far_reader, self._far = far
        self._answers: dict[str, Trap] = {}

    def pumps(self) -> Sequence[Coroutine[Any, Any, None]]:
        return self._outward(), self._inward()

    async def _outward(self) -> None:
        async for frame in frames(self._near_reader):
            if trap := self._proxy.trap_for(frame):
                self._answers[frame.reply] = trap
                if trap.moment is Moment.BEFORE and await self._cut_by(trap):
                    return
            self._far.write(frame.raw)
            await self._far.drain()

    async def _inward(self) -> None:
        async for frame in frames(self._far_reader):
            if trap := self._answers.pop(frame.subject, None):
                trap.answer = frame.payload
            if trap and trap.moment is Moment.UNHEARD and await self._cut_by(trap):
                return
            self._near.write(frame.raw)
            await self._near.drain()
            if trap and trap.moment is Moment.HEARD and await self._cut_by(trap):
                return

    async def _cut_by(self, trap: Trap) -> bool:
        await trap.spring(self._proxy)
        trap.sprung.set()
        return trap.cuts


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[Frame]:
    """Cuts a stream of the NATS client protocol, of either direction, into its messages; ends with the connection.

    Source: docs.nats.io, reference, client protocol.
    """
    with suppress(OSError, asyncio.IncompleteReadError):
        while line := await reader.readline():
            verb, *words = line.split() or [b""]
            sizes = _SIZED.get(verb)
            if sizes is None:
                yield Frame(line, verb)
                continue
            body = await reader.readexactly(int(words[-1]) + 2)
            # What the server delivers names the subscription between subject and reply.
            names = [name.decode() for name in words[:-sizes]]
            reply = names[-1] if len(names) > (2 if verb.endswith(b"MSG") else 1) else ""
            headers = int(words[-2]) if sizes == 2 else 0
            yield Frame(line + body, verb, names[0], reply, body[headers:-2])
