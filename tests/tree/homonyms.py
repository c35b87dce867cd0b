"""Class names that mean two things: each module of the product that defines one of them, against an argued list."""

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from docs.generate.source import Module

ARGUED: Final[Mapping[str, str]] = {
    "Config": "what a service is set up with, one class a service",
    "ToolCall": "a call of a tool: the mock provider makes it, and the router reads it",
}
"""Names with one meaning that two modules define, with the reason."""


def homonyms(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Returns the places of each class name that more than one module defines."""
    places: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].setdefault(str(module.path), f"{module.path}:{node.lineno}")
    return {name: list(found.values()) for name, found in sorted(places.items()) if len(found) > 1}


def problems(
    found: Mapping[str, Collection[str]],
    argued: Collection[str] = ARGUED.keys(),
) -> Iterator[str]:
    """Yields a line for each homonym that is not argued, and for each argued name that is none any more."""
    for name, places in found.items():
        if name not in argued:
            yield f"class {name} is defined more than once: {', '.join(places)}; name each for what it is"
    for name in sorted(set(argued) - found.keys()):
        yield f"class {name} has one definition; take it out of ARGUED in tests/tree/homonyms.py"
