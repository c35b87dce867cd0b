"""Finds the models and programs inside installed packages, without importing them."""

import importlib.util
from pathlib import Path


def package_files(package: str, pattern: str) -> list[Path]:
    """Returns the files and folders in a package that match `pattern`, sorted; none if it is not installed."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return sorted(found for folder in folders or () for found in Path(folder).glob(pattern))
