"""Measures Weft beside other durable streams: `python -m bench.durable_streams [--quick] [--only SYSTEM]`.

A whole run of all four writes bench/STREAMS.md.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.durable_streams.catching_up import CatchUps, catch_up
from bench.durable_streams.delivery import Deliveries, deliver
from bench.durable_streams.promises import promises
from bench.durable_streams.reading import tokens_in
from bench.durable_streams.recovery import Kills
from bench.durable_streams.systems.reference import ReferenceServer
from bench.durable_streams.systems.system import Setup, System
from bench.durable_streams.systems.temporal import TemporalStreams
from bench.durable_streams.systems.valkey import ValkeyFanOut
from bench.durable_streams.systems.weft import Weft
from bench.harness.undisturbed import undisturbed
from bench.report.document import machine
from bench.report.markdown import paragraph

from weft_kit.file_limit import raise_file_limit

SYSTEMS: Final[Mapping[str, Callable[[], System]]] = {
    "weft": Weft,
    "valkey": ValkeyFanOut,
    "durable-streams": ReferenceServer,
    "temporal": TemporalStreams,
}
RESULTS = Path(__file__).resolve().parents[1] / "STREAMS.md"
_WARM_S = 1.0
_TRIES = 2


@dataclass(frozen=True)
class Size:
    """How much of everything is measured."""

    rounds: int
    loads: tuple[int, ...]
    seconds: float
    backlog: int
    kills: int
    kill_streams: int
    kill_seconds: float
    kill_after_s: float


WHOLE = Size(
    rounds=3, loads=(1, 64, 256), seconds=6, backlog=10_000, kills=3, kill_streams=16, kill_seconds=15, kill_after_s=4
)
QUICK = Size(rounds=1, loads=(1, 16), seconds=1.5, backlog=500, kills=1, kill_streams=4, kill_seconds=4, kill_after_s=2)


def turns(systems: Sequence[System], rounds: int) -> list[Sequence[System]]:
    """Returns the order of each round: another system begins each time, so that a slow minute falls on each alike."""
    return [[*systems[n % len(systems) :], *systems[: n % len(systems)]] for n in range(rounds)]


async def measure_streams(systems: Sequence[System], size: Size) -> list[str]:
    """Measures delivery and catch-up: each system alone on the machine, in turns."""
    deliveries, catch_ups = Deliveries(size.seconds), CatchUps(size.backlog)
    answers = [tokens_in(_WARM_S), tokens_in(size.seconds)]
    for number, order in enumerate(turns(systems, size.rounds)):
        for system in order:
            with TemporaryDirectory(prefix="weft-streams-") as folder:
                async with system.running(Setup(Path(folder), answers)) as running:
                    await deliver(running, "warm", 8, _WARM_S)
                    for streams in size.loads:
                        found = await deliver(running, f"load-{streams}", streams, size.seconds)
                        deliveries.add(streams, system.name, found)
                    catch_ups.add(system.name, await catch_up(running, "backlog", size.backlog))
            _note(f"round {number + 1}: {system.name}")
    return [*deliveries.lines(systems[0].name), *catch_ups.lines()]


async def measure_recovery(systems: Sequence[System], size: Size) -> list[str]:
    """Measures what a kill costs, each on a system that was just started."""
    kills = Kills(size.kill_streams, size.kill_seconds, size.kill_after_s)
    for number, order in enumerate(turns(systems, size.kills)):
        for system in order:
            for kill in (kills.worker, kills.server):
                workers = 2 if system.takes_over and kill == kills.worker else 1
                with TemporaryDirectory(prefix="weft-streams-") as folder:
                    answers = [tokens_in(size.kill_seconds)]
                    async with system.running(Setup(Path(folder), answers, workers)) as running:
                        await kill(system, running, "killed")
            _note(f"kills {number + 1}: {system.name}")
    return kills.lines()


async def main(systems: Sequence[System], size: Size, tries: int) -> list[str]:
    """Returns the report's sections; what others disturbed is measured again."""
    lines = []
    for measure in (measure_streams, measure_recovery):
        lines += await undisturbed(partial(measure, systems, size), tries=tries)
        lines.append("")
    return lines


def report(lines: Sequence[str], command: str) -> str:
    """Returns the whole report."""
    head = ["# Weft beside other durable streams", "", *paragraph(f"Made by `{command}` on {machine()}.")]
    return "\n".join([*head, *promises(), *lines]).rstrip() + "\n"


def _note(text: str) -> None:
    print(f"({text})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.durable_streams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look: not for quoting")
    parser.add_argument("--only", choices=SYSTEMS, action="append", help="only this one; may be repeated")
    given = parser.parse_args()
    chosen = [SYSTEMS[name]() for name in given.only or SYSTEMS]
    if missing := [f"{system.name} needs {what}" for system in chosen if (what := system.missing())]:
        sys.exit("\n".join([*missing, "make bench-streams installs what can be had; --only leaves systems out"]))
    raise_file_limit()
    found = asyncio.run(main(chosen, QUICK if given.quick else WHOLE, 1 if given.quick else _TRIES))
    print("\n".join(found))
    if not given.quick and not given.only:
        RESULTS.write_text(report(found, "make bench-streams"))
        print(f"written to {RESULTS}")
