"""Profiles gateway, router and nats-server while jobs run, 64 in flight, and writes bench/PROFILE.md.

`python -m bench.profile` needs py-spy (`pip install py-spy`), which reads the Python stacks of a running process from
outside, and perf (Debian: linux-perf) for what is below Python; both may have to run as root.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil
import uvloop
from bench.harness.environment import Environment, EnvironmentSpec, environment
from bench.harness.load import Call, closed_loop, weft_call
from bench.profile.native import Native, object_of, sampled, server_work_of
from bench.profile.stacks import Stack, parsed, shares
from bench.report.document import machine
from bench.report.markdown import paragraph, table

from weft_kit.file_limit import raise_file_limit

REPORT: Final = Path(__file__).parents[1] / "PROFILE.md"
IN_FLIGHT: Final = 64
_SERVICES: Final = ("gateway", "router")
_SAMPLES_A_SECOND: Final = 150
_LEAST: Final = 0.01
"""Smaller shares are left out of the tables."""

_ABOUT: Final = f"""\
Jobs as in the cost section of [RESULTS.md](RESULTS.md), {IN_FLIGHT} in flight. py-spy looked at the Python threads of
gateway and router {_SAMPLES_A_SECOND} times a second while they ran. It slows them down, so only shares are shown. What
runs in gRPC's own threads has no Python stack; the share of those threads is measured as CPU time. Before that, perf
sampled the same processes and nats-server by the CPU's clock: it sees whose machine code ran, and slows nobody down."""


@dataclass(frozen=True)
class Profile:
    """What one process did: its stacks, jobs, CPU seconds, and those of its main thread."""

    stacks: list[Stack]
    cpu_s: float
    main_s: float
    native: list[Native]

    def lines(self, name: str) -> list[str]:
        """Returns the process's part of the report."""
        objects = shares((object_of(sample), 1) for sample in self.native)
        packages = shares((stack.package, stack.samples) for stack in self.stacks)
        rooms = shares((stack.room or "the event loop", stack.samples) for stack in self.stacks)
        outside = 1 - self.main_s / self.cpu_s
        return [
            f"## {name.capitalize()}",
            "",
            *table(("the machine code that ran", "share"), _rows(objects)),
            *paragraph(f"{outside:.0%} of its CPU time went to threads of gRPC and others; of the rest:"),
            *table(("the package whose function ran", "share"), _rows(_named(packages))),
            *table(("the room of Weft that had called it", "share"), _rows(_named(rooms))),
        ]


@dataclass(frozen=True)
class Found:
    """The profiles of the services, and the samples of nats-server."""

    services: Mapping[str, Profile]
    server: list[Native]


async def profile(seconds: int, py_spy: str, perf: str) -> Found:
    """Runs jobs and looks at the processes meanwhile, with one program after the other."""
    async with environment(EnvironmentSpec({})) as env, weft_call(env.endpoint, env.api_key) as weft:
        await closed_loop(weft, IN_FLIGHT, 2)  # imports, pools and caches warm
        with TemporaryDirectory(prefix="weft-profile-") as folder:
            native = await _native(env, weft, seconds, perf, Path(folder))
            return Found(await _sampled(env, weft, seconds, py_spy, Path(folder), native), native["nats"])


async def _native(env: Environment, weft: Call, seconds: int, perf: str, folder: Path) -> dict[str, list[Native]]:
    names = (*_SERVICES, "nats")
    load = asyncio.create_task(closed_loop(weft, IN_FLIGHT, seconds + 1))
    found = await asyncio.gather(*(sampled(perf, env.pids[name], seconds, folder / f"{name}.perf") for name in names))
    await load
    return dict(zip(names, found, strict=True))


async def _sampled(
    env: Environment, weft: Call, seconds: int, program: str, folder: Path, native: Mapping[str, list[Native]]
) -> dict[str, Profile]:
    pids = {name: env.pids[name] for name in _SERVICES}
    before = {name: _cpu_s(pid) for name, pid in pids.items()}
    samplers = [await _sampler(program, pid, seconds, folder / name) for name, pid in pids.items()]
    await closed_loop(weft, IN_FLIGHT, seconds)
    after = {name: _cpu_s(pid) for name, pid in pids.items()}
    for sampler in samplers:
        _, said = await sampler.communicate()
        if sampler.returncode:
            sys.exit(f"py-spy failed: {said.decode().strip()}; it may have to run as root")
    return {name: _profile((folder / name).read_text(), before[name], after[name], native[name]) for name in pids}


async def _sampler(program: str, pid: int, seconds: int, result: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(program, "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(_SAMPLES_A_SECOND)),
        *("--format", "raw", "--output", str(result)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


def _profile(raw: str, before: tuple[float, float], after: tuple[float, float], native: list[Native]) -> Profile:
    return Profile(list(parsed(raw.splitlines())), after[0] - before[0], after[1] - before[1], native)


def _cpu_s(pid: int) -> tuple[float, float]:
    """Returns the CPU seconds of a process, and those of its main thread."""
    process = psutil.Process(pid)
    whole = process.cpu_times()
    main = next(thread for thread in process.threads() if thread.id == pid)
    return whole.user + whole.system, main.user_time + main.system_time


def _rows(found: list[tuple[str, float]]) -> list[tuple[str, str]]:
    shown = [(name, share) for name, share in found if share >= _LEAST]
    rows = [(name, f"{share:.0%}") for name, share in shown]
    rest = [(f"{len(found) - len(shown)} others", f"{1 - sum(share for _, share in shown):.0%}")]
    return [*rows, *(rest if len(found) > len(shown) else [])]


def _named(found: list[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(f"`{name}`" if name.startswith("weft_") else name, share) for name, share in found]


def render(found: Found) -> str:
    """Returns the report as Markdown."""
    head = ["# Where a job's CPU time goes", "", *paragraph(f"Made by `python -m bench.profile` on {machine()}.")]
    services = (line for name, profile in found.services.items() for line in profile.lines(name))
    work = shares((server_work_of(sample), 1) for sample in found.server)
    server = ["## Nats-server", "", *table(("what it did", "share"), _rows(work))]
    return "\n".join([*head, *paragraph(_ABOUT), *services, *server])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.profile", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="how long jobs run; default 30")
    given = parser.parse_args()
    programs = [shutil.which(program) for program in ("py-spy", "perf")]
    if None in programs:
        sys.exit("py-spy or perf is not there: pip install py-spy, apt-get install linux-perf")
    raise_file_limit()
    REPORT.write_text(render(uvloop.run(profile(given.seconds, *filter(None, programs)))).rstrip() + "\n")
    print(f"written to {REPORT}")
