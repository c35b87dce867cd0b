"""The schedule, carried out."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.environment import Environment
from tests.chaos.schedule import Action, Blow

_GRACE_S = 8.0


@dataclass(frozen=True)
class Dealt:
    """A blow, and the moment it hit."""

    blow: Blow
    unix_s: float


async def run_faults(environment: Environment, schedule: Sequence[Blow]) -> list[Dealt]:
    """Deals every blow when it is due; blows to one part wait for each other. Returns once all is up again.

    Raises:
        LaunchError: a part did not come up again.
    """
    began = time.monotonic()
    dealt: list[Dealt] = []
    turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def deal(blow: Blow) -> None:
        await asyncio.sleep(max(0.0, began + blow.at_s - time.monotonic()))
        async with turns[blow.part]:
            dealt.append(Dealt(blow, time.time()))
            await _treat(environment, blow)

    async with asyncio.TaskGroup() as blows:
        for blow in schedule:
            blows.create_task(deal(blow))
    return dealt


async def _treat(environment: Environment, blow: Blow) -> None:
    """Carries a blow out; returns when the part is as it was before."""
    match blow.action:
        case Action.CUT:
            environment.links[blow.part].reset()
        case Action.STALL:
            environment.links[blow.part].stall()
            await asyncio.sleep(blow.for_s)
            environment.links[blow.part].flow()
        case Action.FREEZE | Action.BURY:
            environment.part(blow.part).pause()
            await asyncio.sleep(blow.for_s)
            environment.part(blow.part).resume()
        case Action.KILL:
            await environment.part(blow.part).kill()
            await asyncio.sleep(blow.for_s)
            await environment.part(blow.part).start()
        case Action.RENEW:
            await environment.part(blow.part).stop(_GRACE_S)
            await asyncio.sleep(blow.for_s)
            await environment.part(blow.part).start()
