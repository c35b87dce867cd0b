"""Class names that mean two things: each module of the product that defines one of them, against an argued list."""

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from docs.generate.source import Module

ARGUED: Final[Mapping[str, str]] = {
    "Audit": "the operator's calls: the gateway that keeps them, and the client's view of them",
    "Config": "what a service is set up with, one class a service",
    "Documents": "the documents of collections: the store that has them, and the client's view of them",
    "IngestJobs": "the ingest jobs: the service that runs them, and the client's view of them",
}
"""Names with one meaning that two modules define, with the reason."""

TO_BE_RENAMED: Final = frozenset(
    {
        "Access",
        "Account",
        "Admission",
        "Asked",
        "Batch",
        "Breaker",
        "Budgets",
        "Call",
        "Candidate",
        "Catalog",
        "Child",
        "Connection",
        "Database",
        "Embedder",
        "End",
        "Entry",
        "Fault",
        "Found",
        "Generation",
        "Hit",
        "Kind",
        "LastResort",
        "Limit",
        "Limits",
        "Means",
        "Names",
        "Order",
        "Outbox",
        "Outcome",
        "Rates",
        "Reader",
        "Reading",
        "Refusal",
        "Room",
        "Row",
        "Seat",
        "Server",
        "Share",
        "Sink",
        "Standing",
        "Stats",
        "Stored",
        "Tally",
        "Terms",
        "Transcript",
        "Verdict",
        "Waiting",
        "_Batch",
        "_Call",
        "_Level",
        "_Piece",
        "_Walk",
    }
)
"""Names with two meanings, until each meaning has a name of its own. Nothing is added here."""


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
    to_be_renamed: Collection[str] = TO_BE_RENAMED,
) -> Iterator[str]:
    """Yields a line for each homonym that is on no list, and for each argued name that is none any more."""
    for name, places in found.items():
        if name not in argued and name not in to_be_renamed:
            yield f"class {name} is defined more than once: {', '.join(places)}; name each for what it is"
    for name in sorted(set(argued) - found.keys()):
        yield f"class {name} has one definition; take it out of ARGUED in tests/tree/homonyms.py"


def renamed(found: Mapping[str, Collection[str]], to_be_renamed: Collection[str] = TO_BE_RENAMED) -> list[str]:
    """Returns the names that have one meaning by now, and can leave the list of those to be renamed."""
    return sorted(set(to_be_renamed) - found.keys())
