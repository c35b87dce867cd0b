"""Looks through the tree for leftovers, homonyms and twins; ends with 1 when there are any."""

import sys

from docs.generate.source import ROOT, product_modules
from tests.tree.homonyms import homonyms, problems
from tests.tree.leftovers import leftovers
from tests.tree.twins import twins


def main() -> int:
    """Returns the exit code."""
    modules = product_modules()
    lines = [*leftovers(ROOT), *problems(homonyms(modules)), *twins(ROOT, (module.path for module in modules))]
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return int(bool(lines))


sys.exit(main())
