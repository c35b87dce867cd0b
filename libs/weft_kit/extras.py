"""The extras of the distribution: a program that lacks a package says how to install it, and ends."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(extra: str, program: str) -> Iterator[None]:
    """Ends the program with 1, as when it cannot start, if the block finds a package of the extra missing.

    The block imports without garbage collection: modules leave little garbage, and looking for it takes a seventh of
    the time.
    """
    gc.disable()
    try:
        yield
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"{program}: {how_to_install(missing, extra)}\n")
        sys.exit(1)
    finally:
        gc.enable()


def how_to_install(missing: ModuleNotFoundError, extra: str) -> str:
    """Returns what is missing and how to install it.

    Raises:
        ModuleNotFoundError: it is a module of Weft's own, which no extra installs.
    """
    package = (missing.name or "").partition(".")[0]
    if package.startswith("weft"):
        raise missing
    return f"{package} is not installed: `pip install 'weft[{extra}]'` adds it"
