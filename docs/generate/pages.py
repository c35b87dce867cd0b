"""Which pages are written, and whether they are as they would be written."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs.generate import api, cli, errors, metrics, scaling, settings, terminal

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/settings.md": settings.page,
    "reference/metrics.md": metrics.page,
    "reference/errors.md": errors.page,
    "reference/cli.md": cli.page,
    "reference/api.md": api.page,
    "scaling.md": scaling.page,
    "pictures/killed-worker.svg": terminal.picture,
}


def stale_pages(folder: Path) -> list[str]:
    """Returns the names of pages that are missing or differ from what would be written."""
    return [name for name, page in PAGES.items() if _content(folder / name) != page()]


def write_pages(folder: Path) -> None:
    """Writes every page below a folder; folders that are missing are made."""
    for name, page in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(page(), encoding="utf-8")


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
