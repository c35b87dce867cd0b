"""Sends what nobody would send to every RPC of a whole mesh: `python -m tests.fuzz [--calls 20000] [--seed 1]`."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from tests.fuzz.run import run

from weft_kit.file_limit import raise_file_limit

_SHOWN = 40


def tell(line: str) -> None:
    """Shows a line at once."""
    print(line, flush=True)  # noqa: T201 - this is what a run is for


def main(calls: int, seed: int) -> int:
    """Does a run, says what went wrong, and returns the exit code."""
    with TemporaryDirectory(prefix="weft-fuzz-") as root:
        report = uvloop.run(run(calls, seed, Path(root), tell))
    for finding in report.findings[:_SHOWN]:
        tell(str(finding))
    if left := len(report.findings) - _SHOWN:
        tell(f"and {left} more" if left > 0 else "")
    tell(f"seed {seed} {'is good' if report.is_good else 'FAILED'}: {len(report.findings)} answers went wrong")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="how many, over all RPCs")
    parser.add_argument("--seed", type=int, default=1, help="which calls; a seed is always the same")
    given = parser.parse_args()
    raise_file_limit()
    sys.exit(main(given.calls, given.seed))
