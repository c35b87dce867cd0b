"""Where the servers are: inside installed wheels, found by package and never by path."""

import importlib.util
import shutil
import sys
from pathlib import Path

from weft_compose.errors import MissingPart
from weft_kit.packages import package_files


def package_file(package: str, pattern: str, wheel: str) -> Path:
    """Finds the one file that matches `pattern` inside an installed package.

    Raises:
        MissingPart: the package is not installed, or holds nothing for this kind of machine.
    """
    found = package_files(package, pattern)
    if not found:
        raise MissingPart(_line(wheel))
    return found[0]


def script(name: str, wheel: str) -> Path:
    """Finds a program that a wheel put beside this interpreter, or else on PATH.

    Raises:
        MissingPart: there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise MissingPart(_line(wheel))
    return Path(found)


def require(wheel: str) -> None:
    """Raises MissingPart when a wheel is not installed, going by the package of its name."""
    if importlib.util.find_spec(wheel.replace("-", "_")) is None:
        raise MissingPart(_line(wheel))


def _line(wheel: str) -> str:
    return f"the wheel {wheel} is missing: run `make setup`, or `{sys.executable} -m pip install --no-deps {wheel}`"
