"""Calls as raw bytes: what is sent is what was drawn, and what comes back is kept as it came."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final

import grpc
import grpc.aio
from tests.fuzz.targets import Target

from weft_kit.rpc.channel import OPTIONS

DEADLINE_S: Final = 30.0
"""What every call is given: long for a busy machine, short for one that hangs."""

_LISTENING_S: Final = 2.0
_MOST_MESSAGES: Final = 50
_KEPT_BYTES: Final = 200_000


@dataclass(frozen=True)
class Shot:
    """One call to be made. `way` says how its request came to be, `identity` whose metadata it carries."""

    number: int
    target: Target
    way: str
    request: bytes
    identity: str


@dataclass(frozen=True)
class Outcome:
    """What became of a call. `seen` is all that its caller was told, as bytes."""

    shot: Shot
    code: str
    details: str
    trailer_bytes: int
    seen: bytes
    seconds: float


Identities = dict[str, tuple[tuple[str, str], ...]]
"""Metadata by the name of who calls."""


@asynccontextmanager
async def channels(addresses: dict[str, str]) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    """A connection to each part."""
    opened = {part: grpc.aio.insecure_channel(address, options=OPTIONS) for part, address in addresses.items()}
    try:
        yield opened
    finally:
        for channel in opened.values():
            await channel.close()


async def fire(
    shots: Iterable[Shot], at: dict[str, grpc.aio.Channel], identities: Identities, *, at_once: int
) -> list[Outcome]:
    """Makes all calls, `at_once` of them at a time, and returns what became of each."""
    waiting = iter(shots)

    async def caller() -> list[Outcome]:
        return [await _made(shot, at[shot.target.part], identities[shot.identity]) for shot in waiting]

    made = await asyncio.gather(*(caller() for _ in range(at_once)))
    return [outcome for some in made for outcome in some]


async def _made(shot: Shot, channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> Outcome:
    began = monotonic()
    seen = bytearray()
    try:
        if shot.target.method.server_streaming:
            code, details = await _listened(shot, channel, metadata, seen), ""
        else:
            call = channel.unary_unary(shot.target.path)(shot.request, timeout=DEADLINE_S, metadata=metadata)
            seen += (await call)[:_KEPT_BYTES]
            code, details = "OK", ""
        trailers: Sequence[tuple[str, str | bytes]] = ()
    except grpc.aio.AioRpcError as error:
        code, details = error.code().name, error.details() or ""
        trailers = tuple(error.trailing_metadata() or ())
    for _, value in trailers:
        seen += value if isinstance(value, bytes) else value.encode()
    size = sum(len(key) + len(value) + 32 for key, value in trailers)
    return Outcome(shot, code, details, size, bytes(seen), monotonic() - began)


async def _listened(shot: Shot, channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]], seen: bytearray) -> str:
    """Reads a stream for a while. One that goes on is left: it waits for what may come."""
    call = channel.unary_stream(shot.target.path)(shot.request, timeout=DEADLINE_S, metadata=metadata)
    try:
        async with asyncio.timeout(_LISTENING_S):
            messages = 0
            async for message in call:
                seen += message[:_KEPT_BYTES]
                messages += 1
                if messages == _MOST_MESSAGES:
                    break
            return "OK"
    except TimeoutError:
        return "LEFT"
    finally:
        call.cancel()
