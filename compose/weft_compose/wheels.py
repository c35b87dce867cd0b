"""Finds servers and programs inside installed wheels, by package and never by path."""

import importlib.util
import shutil
import sys
from pathlib import Path

from weft_compose.errors import MissingPart
from weft_kit.packages import package_files


def package_file(package: str, pattern: str, wheel: str) -> Path:
    """Returns the file that matches `pattern` inside an installed package.

    Raises:
        MissingPart: the package is not installed, or has no file for this kind of machine.
    """
    found = package_files(package, pattern)
    if not found:
        raise MissingPart(_line(wheel))
    return found[0]


def script(name: str, wheel: str) -> Path:
    """Returns a program that a wheel installed next to this interpreter, or else one on PATH.

    Raises:
        MissingPart: there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise MissingPart(_line(wheel))
    return Path(found)


def require(wheel: str) -> None:
    """Raises MissingPart if a wheel is not installed, judged by the package with its name."""
    if importlib.util.find_spec(wheel.replace("-", "_")) is None:
        raise MissingPart(_line(wheel))


def _line(wheel: str) -> str:
    return f"the wheel {wheel} is missing: run `make setup`, or `{sys.executable} -m pip install --no-deps {wheel}`"
