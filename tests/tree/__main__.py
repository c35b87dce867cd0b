"""Looks through the tree for leftovers; ends with 1 when there are any."""

import sys

from docs.generate.source import ROOT
from tests.tree.leftovers import leftovers


def main() -> int:
    """Returns the exit code."""
    lines = list(leftovers(ROOT))
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return int(bool(lines))


sys.exit(main())
