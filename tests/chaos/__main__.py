"""Shakes a whole mesh under load and counts what it lost: `python -m tests.chaos [--seeds 1 2 3]`."""

import argparse
import shutil
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import uvloop
from tests.chaos.report import findings, keep
from tests.chaos.run import Size, run

from weft_kit.file_limit import raise_file_limit

QUICK = Size(orders=200, seconds=25.0, blows=12)


def tell(line: str) -> None:
    """Shows a line at once."""
    print(line, flush=True)  # noqa: T201 - this is what a run is for


def main(seeds: list[int], size: Size, *, everything: bool) -> int:
    """Runs the seeds one after another; returns the exit code. With `everything` a good run is kept too."""
    failed = 0
    for seed in seeds:
        root = Path(mkdtemp(prefix=f"weft-chaos-{seed}-"))
        began = time.monotonic()
        outcome, verdict = uvloop.run(run(seed, size, root, tell))
        word = "is good" if verdict.is_good else "FAILED"
        tell(f"seed {seed} {word} ({time.monotonic() - began:.0f} s)\n")
        if verdict.is_good and not everything:
            shutil.rmtree(root)
            continue
        numbers = [account.order.number for account in outcome.accounts]
        keep(root / "orders", outcome, verdict, numbers if everything else {found.order for found in verdict.findings})
        tell(f"{findings(verdict)}\nkept in {root}: logs/, data, and orders/ with what is known of each\n")
        failed += not verdict.is_good
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="which runs to do; a seed is always the same")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--keep", action="store_true", help="keep logs and all that is known also of a good run")
    given = parser.parse_args()
    raise_file_limit()
    sys.exit(main(given.seeds, QUICK if given.quick else Size(), everything=given.keep))
