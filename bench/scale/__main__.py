"""Measures what scaling costs: `python -m bench.scale [--quick]` writes bench/SCALE.md and bench/SCALE.json."""

import argparse
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from bench.report.document import machine
from bench.scale.affinity import Placement
from bench.scale.costs import MEASURED, Measured, write
from bench.scale.findings import Findings, costs_of, stream_cost
from bench.scale.margins import Margins, measure_margins
from bench.scale.replicas import Point, measure_replicas
from bench.scale.report import render
from bench.scale.run_size import RunSize
from bench.scale.scaled_mesh import ScaledMesh, scaled_mesh

from weft_kit.file_limit import raise_file_limit

_SERVERS = (1, 3)


async def measure(size: RunSize, placement: Placement) -> Findings:
    """Takes all measurements: meshes of one and of three nats-servers in turn."""
    points: list[Point] = []
    margins: list[Margins] = []
    if not size.is_quick:
        for nats in _SERVERS:
            async with _mesh(nats, 2, placement) as mesh:
                margins.append(await _margins(mesh, size))
    for number in range(size.rounds):
        for nats in _SERVERS:
            async with _mesh(nats, max(size.replicas), placement) as mesh:
                points += await _points(mesh, size, size.replicas[:: -1 if number % 2 else 1])
                if size.is_quick:
                    margins.append(await _margins(mesh, size))
    return Findings(points, margins)


@asynccontextmanager
async def _mesh(nats: int, replicas: int, placement: Placement) -> AsyncIterator[ScaledMesh]:
    began = time.perf_counter()
    async with scaled_mesh(nats, replicas, placement) as mesh:
        _say(f"R{nats}: a mesh is up", began)
        yield mesh


async def _points(mesh: ScaledMesh, size: RunSize, order: tuple[int, ...]) -> list[Point]:
    points = []
    for replicas in order:
        began = time.perf_counter()
        points.append(await measure_replicas(mesh, replicas, size))
        _say(f"R{mesh.env.nats}: {replicas} of gateway and router, {points[-1].errors} errors", began)
    return points


async def _margins(mesh: ScaledMesh, size: RunSize) -> Margins:
    began = time.perf_counter()
    found = await measure_margins(mesh, size, with_streams=mesh.env.nats == 1)
    _say(f"R{mesh.env.nats}: tenants, tokens and streams, {found.errors} errors", began)
    return found


def _say(what: str, began: float) -> None:
    print(f"{what} ({time.perf_counter() - began:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look: not for quoting")
    parser.add_argument("--rounds", type=int, default=RunSize().rounds, help="rounds of all numbers of replicas (2)")
    parser.add_argument("--into", type=Path, default=MEASURED.parent, help="the folder of SCALE.md and SCALE.json")
    given = parser.parse_args()
    raise_file_limit()
    placement = Placement.of(os.sched_getaffinity(0))
    size = RunSize.quick() if given.quick else RunSize(rounds=given.rounds)
    command = _command(size)
    found = uvloop.run(measure(size, placement))
    costs, stream = costs_of(found), stream_cost(found)
    measured = Measured(machine(), command, size.is_quick, found.others_percent, costs, stream)
    write(measured, given.into / MEASURED.name)
    (given.into / "SCALE.md").write_text(render(found, costs, stream, placement, command), encoding="utf-8")
    print(f"written to {given.into / 'SCALE.md'}; `make docs` brings docs/scaling.md to it")


def _command(size: RunSize) -> str:
    """Returns how the report says it was made."""
    if size.is_quick:
        return "python -m bench.scale --quick"
    return "make scale" if size.rounds == RunSize().rounds else f"python -m bench.scale --rounds {size.rounds}"


if __name__ == "__main__":
    main()
