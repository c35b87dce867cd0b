"""Checks whether routers and gateways could use a catalog, before they start: every mistake, with its line."""

from collections.abc import Mapping
from pathlib import Path

from weft_compose.errors import CatalogUnusable
from weft_kit.catalog.catalog import (
    CatalogError,
    parse_catalog,
    read_catalog,
    readable,
)
from weft_router.fleet.provider_keys import read_keys


def find_mistakes(path: Path, environ: Mapping[str, str]) -> CatalogError | None:
    """Returns what is wrong with the catalog at `path`, missing keys included; None if nothing is."""
    problems: list[str] = []
    try:
        text = read_catalog(path)
    except CatalogError as refused:
        return refused
    try:
        catalog = parse_catalog(text, path, environ)
    except CatalogError as refused:
        problems += refused.problems
        catalog = readable(text, environ)
    try:
        read_keys(catalog, path, environ)
    except CatalogError as refused:
        problems += refused.problems
    return CatalogError(path, problems, text) if problems else None


def check_catalog(path: Path, environ: Mapping[str, str]) -> None:
    """Raises CatalogUnusable if the catalog has mistakes."""
    if found := find_mistakes(path, environ):
        count = len(found.problems)
        mistakes = f"{count} mistake{'' if count == 1 else 's'}"
        listed = "".join(f"\n  {problem}" for problem in found.located)
        raise CatalogUnusable(f"{path} has {mistakes}: mend it; `weft catalog check {path}` looks again{listed}")
