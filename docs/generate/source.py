"""The product's source as syntax trees, by the package it belongs to."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = ("libs/weft_*", "services/*/weft_*", "compose/weft_compose")
_STUBS: Final = "weft_protos"


class Module(NamedTuple):
    """One file of the product."""

    path: Path
    package: str
    tree: ast.Module


@cache
def product_modules(root: Path = ROOT) -> tuple[Module, ...]:
    """Returns every module of the product, in the order of packages and paths; the contract's stubs are none."""
    return tuple(_modules(root))


def _modules(root: Path) -> Iterator[Module]:
    folders = [folder for pattern in _FOLDERS for folder in root.glob(pattern) if folder.is_dir()]
    for folder in sorted(folders, key=lambda one: one.name):
        if folder.name == _STUBS:
            continue
        for path in sorted(folder.rglob("*.py")):
            yield Module(path.relative_to(root), folder.name, ast.parse(path.read_text(encoding="utf-8")))
