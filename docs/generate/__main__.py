"""Writes the reference pages and the recorded picture; with --check, ends with 1 when one of them is stale."""

import argparse
import sys
from pathlib import Path
from typing import Final

from docs.generate.pages import stale_pages, write_pages

_FOLDER: Final = Path(__file__).parents[1]


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail when a page is stale")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where the pages are")
    given = parser.parse_args()
    if not given.check:
        write_pages(given.folder)
        return 0
    stale = stale_pages(given.folder)
    for name in stale:
        sys.stderr.write(f"{given.folder / name} differs from what the code says: run `make docs` and commit it\n")
    return int(bool(stale))


sys.exit(main())
