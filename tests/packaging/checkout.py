"""What the checkout holds, by the paths under which an editable install finds it."""

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def shipped_files() -> dict[str, bytes]:
    """Every file of a package that git knows or would take, by its path from the folder it is imported from."""
    return {
        str(file.relative_to(package.parent)): file.read_bytes() for package in packages() for file in _files(package)
    }


def packages() -> list[Path]:
    """Every package of the product: what lies in a folder of the import path and is no such folder itself."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    roots = [ROOT / root for root in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["dev-mode-dirs"]]
    return sorted(found for root in roots for found in root.glob("weft*/") if found not in roots)


def _files(package: Path) -> list[Path]:
    # Whoever runs the tests need not own the checkout.
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listed = subprocess.check_output([*listing, str(package)], cwd=ROOT, text=True).split("\0")
    found = [ROOT / name for name in listed if name]
    # Links to folders stand for what is in them.
    within = [file for folder in found if folder.is_dir() for file in folder.rglob("*")]
    return [file for file in (*found, *within) if file.is_file()]
