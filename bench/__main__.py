"""Measures the mesh on this machine: `python -m bench [--quick] [--only NAME]`. A whole run writes bench/RESULTS.md."""

import argparse
import time
from functools import partial
from pathlib import Path

import uvloop
from bench.harness.undisturbed import undisturbed
from bench.report.document import Section, render
from bench.sections import SECTIONS

from weft_kit.file_limit import raise_file_limit

_TRIES = 3
RESULTS = Path(__file__).parent / "RESULTS.md"


async def main(names: list[str], *, quick: bool) -> list[Section]:
    """Takes the measurements one after another, and prints each as soon as it is done; disturbed ones are repeated."""
    sections = []
    for name in names:
        began = time.perf_counter()
        sections.append(await undisturbed(partial(SECTIONS[name], quick=quick), tries=1 if quick else _TRIES))
        print("\n".join(sections[-1].lines))
        print(f"({name} took {time.perf_counter() - began:.0f} s)\n", flush=True)
    return sections


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look; not for quoting")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="only this section; repeatable")
    given = parser.parse_args()
    raise_file_limit()
    found = uvloop.run(main(given.only or list(SECTIONS), quick=given.quick))
    if not given.quick and not given.only:
        RESULTS.write_text(render(found))
        print(f"written to {RESULTS}")
