"""Measures what the semantic tier serves and how fast: python -m bench.cache_quality --data FOLDER."""

import argparse
import asyncio
import time
from pathlib import Path

from bench import evaldata
from bench.cache_quality import report, sections, speed
from bench.cache_quality.judging import Judge
from bench.cache_quality.pairs import Split, qqp
from bench.cache_quality.reading import Reader

from weft_cache.config import Config

_REPORT = Path(__file__).parents[1] / "CACHE.md"
_SETS = {"qqp": sections.question_pairs, "gptcache": sections.paraphrases, "banking77": sections.banking}
_ENTRIES = 10_000


def section(name: str, data: Path, config: Config) -> list[str]:
    """One part of the report."""
    if name == "speed":
        times, levels = asyncio.run(speed.measure(qqp(data, Split.TEST), _ENTRIES))
        return [*report.speed(times, _ENTRIES), *report.load(levels)]
    return _SETS[name](Judge(Reader(), config.floor), data, config.target_precision)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality", description=__doc__)
    evaldata.add_option(parser)
    parser.add_argument("--only", choices=[*_SETS, "speed"], action="append", help="only this; may be repeated")
    given = parser.parse_args()
    data = evaldata.folder(given.data)
    written = []
    for name in given.only or [*_SETS, "speed"]:
        began = time.perf_counter()
        written.append(section(name, data, Config.load()))
        print("\n".join(written[-1]) + f"\n({name} took {time.perf_counter() - began:.0f} s)\n", flush=True)
    if not given.only:
        _REPORT.write_text(report.render(written))
        print(f"written to {_REPORT}")


if __name__ == "__main__":
    main()
