"""Which reference pages there are, and whether they are as they would be written."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs.generate import api, cli, errors, metrics, settings

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings.page,
    "metrics.md": metrics.page,
    "errors.md": errors.page,
    "cli.md": cli.page,
    "api.md": api.page,
}


def stale_pages(folder: Path) -> list[str]:
    """Returns the names of pages that are missing or differ from what would be written."""
    return [name for name, page in PAGES.items() if _content(folder / name) != page()]


def write_pages(folder: Path) -> None:
    """Writes every page into a folder, which is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
