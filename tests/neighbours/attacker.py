"""Makes the attacks that its standard input names: `python -m tests.neighbours.attacker ENDPOINT KEY`.

A line with a name begins an attack and is answered with "attacking". The next line, whatever it holds, ends the attack
and is answered with the number of calls that were made.

A process of its own: what it costs to make a hostile request must not show in a bystander's times. One for all attacks:
starting it costs as much as a third of the time that it attacks.
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


async def attack_as_told(endpoint: str, key: str) -> None:
    """Attacks, one name after the other, until standard input ends."""
    while name := await _next_line():
        await _attack(ATTACKS[name.strip()], endpoint, key)


async def _attack(what: Attack, endpoint: str, key: str) -> None:
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
        await _next_line()
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    print(calls, flush=True)  # noqa: T201


async def _next_line() -> str:
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


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
    asyncio.run(attack_as_told(*sys.argv[1:]))
