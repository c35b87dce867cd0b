"""Measures the mesh on this machine and writes bench/RESULTS.md: `python -m bench [--quick]`."""

import argparse
from pathlib import Path

import uvloop
from bench.load import Call, Run, closed_loop, direct_call, open_loop, weft_call
from bench.processes import Meter, Theft
from bench.report import Cost, OpenLoop, Overhead, Results, Saturation, render
from bench.stage import Stage, stage

RESULTS = Path(__file__).parent / "RESULTS.md"
PER_MINUTE = 10_000
ROUNDS = 3


async def main(*, quick: bool) -> None:
    seconds, rounds, minute = (3, 1, 10) if quick else (10, ROUNDS, 60)
    print("starting the mesh, with a mock provider")
    async with (
        stage() as on,
        weft_call(on.endpoint, on.api_key) as weft,
        weft_call(on.passthrough, "") as bare,
        direct_call(on.mock_url) as direct,
    ):
        for call in (weft, bare):
            await closed_loop(call, 16, 2)  # imports, pools and caches warm
        overhead = await _overhead(weft, direct, calls=50 if quick else 200, rounds=rounds)
        print(f"one in flight: first token +{overhead.added_p50_ms:.1f} ms p50")
        saturation = []
        for in_flight in (64, 256):
            saturation.append(await _saturation(on, weft, bare, in_flight, seconds, rounds))
            print(f"{in_flight} in flight: {saturation[-1].weft.per_second:.0f} jobs/s")
        held = await _open_loop(on, weft, direct, minute)
        print(f"{PER_MINUTE} a minute: {held.errors} errors, +{held.added_p99_ms:.1f} ms p99")
        RESULTS.write_text(render(Results(overhead, tuple(saturation), held, Meter(on.pids).resident_mib(), quick)))
    print(f"written to {RESULTS}")


async def _overhead(weft: Call, direct: Call, calls: int, rounds: int) -> Overhead:
    """One call in flight; Weft and the mock take turns, so that noise falls on both alike."""
    pairs: list[tuple[Run, Run]] = []
    for _ in range(rounds):
        through, without = Run(), Run()
        for _ in range(calls):
            through.outcomes.append(await weft())
            without.outcomes.append(await direct())
        pairs.append((through, without))
    return Overhead.of(pairs)


async def _saturation(on: Stage, weft: Call, bare: Call, in_flight: int, seconds: float, rounds: int) -> Saturation:
    """As fast as it goes; Weft and the bare pass-through take turns."""
    pairs = []
    for _ in range(rounds):
        meter = Meter(on.pids)
        without = Cost.of(await closed_loop(bare, in_flight, seconds / 2), meter.cpu_seconds())
        meter.restart()
        pairs.append((Cost.of(await closed_loop(weft, in_flight, seconds), meter.cpu_seconds()), without))
    through, without = sorted(pairs, key=lambda pair: pair[0].per_second)[len(pairs) // 2]
    return Saturation(in_flight, through, without)


async def _open_loop(on: Stage, weft: Call, direct: Call, seconds: float) -> OpenLoop:
    without = await open_loop(direct, PER_MINUTE / 60, min(seconds, 10))
    meter, theft = Meter(on.pids), Theft()
    through = await open_loop(weft, PER_MINUTE / 60, seconds)
    return OpenLoop.of(PER_MINUTE, through, without, meter.cpu_seconds(), theft.percent())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    uvloop.run(main(quick=parser.parse_args().quick))
