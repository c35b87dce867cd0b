"""Measures what the semantic tier serves and how fast: python -m bench.cache_quality --data FOLDER --sets FOLDER."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.cache_quality import aims, inputs, report, sections, speed
from bench.cache_quality.pairs import Split, qqp
from bench.cache_quality.results import Result

from weft_cache.config import Config
from weft_cache.semantic.calibration import CALIBRATION, threshold

_REPORT: Final = Path(__file__).parents[1] / "CACHE.md"
_SPEED: Final = "speed"
_ENTRIES: Final = 10_000
_LEAST_CERTAIN: Final = 0.02
"""Candidates that cannot reach this certainty are not compared: no threshold is as low, and it saves four of five."""
_AT_MOST: Final = 3000
"""The most questions asked of a set; all its texts are stored."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality", description=__doc__)
    inputs.add_options(parser)
    parser.add_argument("--only", action="append", help="only this section, without a report; repeatable")
    given = parser.parse_args()
    config, sources = Config.load(), inputs.sources_of(given, _AT_MOST)
    found = sections.all_sections(inputs.judge_of(given, config, _LEAST_CERTAIN), sources)
    if unknown := {*(given.only or ())} - {*found, _SPEED}:
        parser.error(f"there is no section {min(unknown)}; there are {', '.join([*found, _SPEED])}")
    needed = threshold(CALIBRATION, config.target_precision)
    written, results = _measured(found, given.only or [*found, _SPEED], needed, sources.data)
    shown = aims.render(aims.aims(_whole(found, results), [one for rows in results.values() for one in rows], needed))
    print("\n".join(shown))
    if not given.only:
        _REPORT.write_text(report.render([shown, *written], needed, config.target_precision))
        print(f"written to {_REPORT}")


def _measured(
    found: Mapping[str, sections.Section], names: list[str], needed: float, data: Path
) -> tuple[list[list[str]], dict[str, list[Result]]]:
    """Returns every section as Markdown, and the results by section."""
    written, results = [], {}
    for name in names:
        began = time.perf_counter()
        if name == _SPEED:
            times, levels = asyncio.run(speed.measure(qqp(data, Split.TEST), _ENTRIES))
            written.append([*report.speed(times, _ENTRIES), *report.load(levels)])
        else:
            results[name], missing = sections.measure(found[name])
            written.append(sections.render(found[name], results[name], missing, needed))
        print("\n".join(written[-1]) + f"\n({name} took {time.perf_counter() - began:.0f} s)\n", flush=True)
    return written, results


def _whole(found: Mapping[str, sections.Section], results: Mapping[str, list[Result]]) -> dict[str, Result]:
    """Returns the results by set, from the sections with a store for each set."""
    return {one.name: one for name in ("unique", "intents") if name in found for one in results.get(name, ())}


if __name__ == "__main__":
    main()
