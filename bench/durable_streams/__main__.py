"""Compares Weft with other durable streams: `python -m bench.durable_streams [--quick] [--only SYSTEM]`.

A whole run of all systems writes bench/STREAMS.md.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Final

from bench.durable_streams.catch_up import CatchUps, catch_up
from bench.durable_streams.delivery import Deliveries, deliver
from bench.durable_streams.guarantees import guarantees
from bench.durable_streams.recovery import Kills
from bench.durable_streams.systems.reference import ReferenceServer, ReferenceServerInMemory
from bench.durable_streams.systems.system import Running, Setup, System
from bench.durable_streams.systems.temporal import TemporalStreams
from bench.durable_streams.systems.valkey import ValkeyFanOut
from bench.durable_streams.systems.weft import Weft
from bench.durable_streams.workload import tokens_in
from bench.harness.undisturbed import undisturbed
from bench.report.document import Section, machine
from bench.report.markdown import paragraph

from weft_kit.file_limit import raise_file_limit

SYSTEMS: Final[Mapping[str, Callable[[], System]]] = {
    "weft": Weft,
    "valkey": ValkeyFanOut,
    "durable-streams": ReferenceServer,
    "durable-streams-in-memory": ReferenceServerInMemory,
    "temporal": TemporalStreams,
}
RESULTS = Path(__file__).resolve().parents[1] / "STREAMS.md"
_WARM_STREAMS = 16
_TRIES = 2
_SYNCS = 50


@dataclass(frozen=True)
class Size:
    """The size of a run."""

    rounds: int
    warm_s: float
    loads: tuple[int, ...]
    seconds: float
    backlog: int
    kills: int
    kill_streams: int
    kill_seconds: float
    kill_after_s: float
    unattended_s: float


WHOLE = Size(
    rounds=3,
    warm_s=2,
    loads=(1, 16, 64, 256),
    seconds=6,
    backlog=10_000,
    kills=3,
    kill_streams=16,
    kill_seconds=15,
    kill_after_s=4,
    unattended_s=10,
)
QUICK = Size(
    rounds=1,
    warm_s=0.5,
    loads=(16,),
    seconds=1.5,
    backlog=500,
    kills=1,
    kill_streams=4,
    kill_seconds=3,
    kill_after_s=1.5,
    unattended_s=3,
)


def turns(systems: Sequence[System], rounds: int) -> list[Sequence[System]]:
    """Returns the order of each round: a different system starts each, so none is always measured first."""
    return [[*systems[n % len(systems) :], *systems[: n % len(systems)]] for n in range(rounds)]


async def measure_streams(systems: Sequence[System], size: Size) -> Section:
    """Measures delivery and catch-up; the systems take turns and never run at the same time."""
    deliveries, catch_ups = Deliveries(size.seconds), CatchUps(size.backlog)
    for number, order in enumerate(turns(systems, size.rounds)):
        for system in order:
            await _take_turn(system, size, deliveries, catch_ups)
            _note(f"round {number + 1}: {system.name}")
    return Section([*deliveries.lines(systems[0].name), *catch_ups.lines()])


async def _take_turn(system: System, size: Size, deliveries: Deliveries, catch_ups: CatchUps) -> None:
    async with _started(system, (size.warm_s, size.seconds)) as running:
        await deliver(running, "first", _WARM_STREAMS, size.warm_s)
        # Before the loads, because an overload may leave work behind.
        catch_ups.add(system.name, await catch_up(running, "backlog", size.backlog))
        await deliver(running, "again", _WARM_STREAMS, size.warm_s)
        for streams in size.loads:
            deliveries.add(streams, system.name, await deliver(running, f"load-{streams}", streams, size.seconds))


@asynccontextmanager
async def _started(system: System, seconds: Sequence[float], workers: int = 1) -> AsyncIterator[Running]:
    """Starts a system in a new folder and stops it with the block."""
    with TemporaryDirectory(prefix="weft-streams-") as folder:
        async with system.running(Setup(Path(folder), [tokens_in(each) for each in seconds], workers)) as running:
            yield running


async def measure_recovery(systems: Sequence[System], size: Size) -> Section:
    """Measures kills of the server, then of a worker, in each persistent system."""
    kills = Kills(size.kill_streams, size.kill_seconds, size.kill_after_s, size.unattended_s)
    for number, order in enumerate(turns([each for each in systems if each.persistent], size.kills)):
        for system in order:
            async with _started(system, (size.kill_seconds,), workers=2 if system.fails_over else 1) as running:
                await kills.server(system, running, "server")
                await kills.worker(system, running, "worker")
            _note(f"kills {number + 1}: {system.name}")
    return Section(kills.lines())


async def main(systems: Sequence[System], size: Size, tries: int) -> list[str]:
    """Returns the lines of both sections; a disturbed one is measured again."""
    measures = (partial(measure, systems, size) for measure in (measure_streams, measure_recovery))
    sections = [await undisturbed(measure, tries=tries) for measure in measures]
    return [line for section in sections for line in section.lines]


def report(systems: Sequence[System], lines: Sequence[str], command: str) -> str:
    """Returns the whole report."""
    made = f"Made by `{command}` on {machine()}; a write of 100 bytes and its fdatasync took {sync_ms():.1f} ms."
    versions = "; ".join(dict.fromkeys(system.version() for system in systems))
    head = ["# Weft compared with other durable streams", "", *paragraph(f"{made} Versions: {versions}.")]
    return "\n".join([*head, *guarantees(), *lines]).rstrip() + "\n"


def sync_ms() -> float:
    """Returns the median time of a small write with its fdatasync, in milliseconds."""
    took_ms = []
    # One with a name: syncing a file without one is cheaper.
    with NamedTemporaryFile() as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(100))
            file.flush()
            os.fdatasync(file.fileno())
            took_ms.append(1000 * (time.perf_counter() - began))
    return statistics.median(took_ms)


def _note(text: str) -> None:
    print(f"({time.strftime('%H:%M:%S')} {text})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.durable_streams", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a small run that shows that everything works; not for quoting"
    )
    parser.add_argument("--only", choices=SYSTEMS, action="append", help="measure only this system; may be repeated")
    given = parser.parse_args()
    chosen = [SYSTEMS[name]() for name in given.only or SYSTEMS]
    if missing := [f"{system.name} needs {what}" for system in chosen if (what := system.missing())]:
        sys.exit("\n".join([*missing, "Run `make bench-streams` to install it, or choose other systems with --only."]))
    raise_file_limit()
    found = asyncio.run(main(chosen, QUICK if given.quick else WHOLE, 1 if given.quick else _TRIES))
    print("\n".join(found))
    if not given.quick and not given.only:
        RESULTS.write_text(report(chosen, found, "make bench-streams"))
        print(f"written to {RESULTS}")
