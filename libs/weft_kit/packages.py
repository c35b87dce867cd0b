"""What installed packages carry beside their code: models and programs, found without importing the package."""

import importlib.util
from pathlib import Path


def package_files(package: str, pattern: str) -> list[Path]:
    """Returns the files and folders inside a package that match `pattern`, by name; none where it is not installed."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return sorted(found for folder in folders or () for found in Path(folder).glob(pattern))
