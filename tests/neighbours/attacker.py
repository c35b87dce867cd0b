"""Makes an attack for as long as its standard input is open: `python -m tests.neighbours.attacker NAME ENDPOINT KEY`.

Says when it begins, and in the end how many calls it made.

A process of its own: what it costs to make a hostile request must not show in a bystander's times.
"""

import asyncio
import os
import sys
from contextlib import suppress

import grpc
import grpc.aio
from tests.neighbours.attacks import ATTACKS, Attack

from weft_kit.rpc.channel import OPTIONS

_CONNECT_S = 10.0


async def attack(name: str, endpoint: str, key: str) -> int:
    """Attacks until standard input ends; returns how many calls were made."""
    what = ATTACKS[name]
    metadata = (("authorization", f"Bearer {key}"),) if what.keyed else ()
    calls = 0
    async with grpc.aio.insecure_channel(endpoint, options=OPTIONS) as channel:

        async def over_and_over(first: int) -> None:
            nonlocal calls
            number = first
            while True:
                request = what.requests[number % len(what.requests)]
                calls, number = calls + 1, number + 1
                await _call(channel, what, request, metadata)
                await asyncio.sleep(what.pause_s)

        with suppress(TimeoutError):
            await asyncio.wait_for(channel.channel_ready(), _CONNECT_S)
        attackers = [asyncio.create_task(over_and_over(first)) for first in range(what.at_once)]
        print("attacking", flush=True)  # noqa: T201
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    return calls


async def _call(channel: grpc.aio.Channel, what: Attack, request: bytes, metadata: tuple[tuple[str, str], ...]) -> None:
    with suppress(grpc.aio.AioRpcError):
        if what.silent:
            await _silent(channel, what, metadata)
        else:
            await channel.unary_unary(what.path)(request, timeout=what.patience_s, metadata=metadata)


async def _silent(channel: grpc.aio.Channel, what: Attack, metadata: tuple[tuple[str, str], ...]) -> None:
    """Opens a call and waits for it to be ended, without a word."""
    call = channel.stream_unary(what.path)(timeout=what.patience_s, metadata=metadata)
    await call


if __name__ == "__main__":
    os.nice(5)  # its own work is not what is measured
    print(asyncio.run(attack(*sys.argv[1:])))  # noqa: T201
