"""docs/reference/errors.md: every error reason with its status, from the contract and from where it is raised."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from docs.generate.contract import ENUMS, VALUES, contracts
from docs.generate.page import code, page_of, plain, rows_under
from docs.generate.source import Module, product_modules

_PREFIX: Final = "ERROR_REASON_"
_RECORD: Final = "in a job's record"
_ORDER: Final = ("gateway", "router", "retrieval", "inference", "cache")
_EVERY: Final = "every service"
# What of the kit answers every call of every service; its other rooms raise for whoever uses them.
_ROOMS_OF_ALL: Final = {"rpc", "requests", "validation"}
_ENDS_OF_JOBS: Final = "weft_kit/joblog/events/terminal.py"
_LEAD: Final = """Every failed call carries a status code, a message for developers, and `google.rpc.ErrorInfo` with
one of these reasons (domain `weft`). A job that failed has its reason in its record. Where waiting helps,
`RetryInfo` and the trailer `grpc-retry-pushback-ms` say how long."""


def page() -> str:
    """Returns the page."""
    places = raised()
    values = [(name, status, text, ", ".join(places[name])) for name, status, text in _reasons()]
    calls = [(code(name), code(status), text, by) for name, status, text, by in values if status]
    records = [(code(name), text, by) for name, status, text, by in values if not status]
    return page_of(
        "Error reasons",
        _LEAD,
        ["## Of calls", "", *rows_under(("Reason", "Status", "Meaning", "Raised by"), calls)],
        ["## In a job's record only", "", *rows_under(("Reason", "Meaning", "Written by"), records)],
    )


def _reasons() -> Iterator[tuple[str, str, str]]:
    """Yields each reason with its status, "" when no call fails with it, and its meaning."""
    contract = next(one for one in contracts() if one.file.name.endswith("/error.proto"))
    for number, value in enumerate(contract.file.enum_type[0].value[1:], 1):
        status, _, text = contract.comment(ENUMS, 0, VALUES, number).partition(": ")
        code_name, _, also = status.partition(", ")
        meaning = f"{text} {_sentence(also)}." if also else text
        is_record = status.casefold() == _RECORD
        yield value.name.removeprefix(_PREFIX), "" if is_record else code_name, plain(_sentence(meaning))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def raised() -> dict[str, list[str]]:
    """Returns the services that raise each reason, by its name."""
    modules = product_modules()
    classes = {name: reason for module in modules for name, reason in _classes_with_a_reason(module)}
    functions = {name: reasons for module in modules for name, reasons in _functions_with_reasons(module)}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules:
        for reason in (*_raised_in(module, classes), *_written_in(module, functions)):
            found[reason].add(_part(module))
    return defaultdict(list, {reason: _ordered(parts) for reason, parts in found.items()})


def _part(module: Module) -> str:
    if module.package == "weft_kit":
        return _EVERY if _ROOMS_OF_ALL.intersection(module.path.parts) else ""
    return module.package.removeprefix("weft_")


def _ordered(parts: set[str]) -> list[str]:
    return [_EVERY] if _EVERY in parts else [part for part in _ORDER if part in parts]


def _classes_with_a_reason(module: Module) -> Iterator[tuple[str, str]]:
    """Yields the kit's errors that stand for one reason each."""
    for node in module.tree.body:
        if module.package == "weft_kit" and isinstance(node, ast.ClassDef):
            reasons = set(_named(node))
            if len(reasons) == 1 and any(isinstance(one, ast.FunctionDef) for one in node.body):
                yield node.name, reasons.pop()


def _functions_with_reasons(module: Module) -> Iterator[tuple[str, set[str]]]:
    """Yields the functions that make the ends of jobs, with the reasons they give: themselves, or by what they use."""
    if module.path.match(_ENDS_OF_JOBS):
        known = {name: node for node in module.tree.body for name in _defined(node)}
        for name, node in known.items():
            if isinstance(node, ast.FunctionDef):
                yield name, {reason for used in _used(node, known) for reason in _named(used)}


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _used(node: ast.stmt, known: Mapping[str, ast.stmt]) -> list[ast.stmt]:
    """Returns a statement and those of its module that it leads to."""
    used = [node]
    for one in used:
        names = {inner.id for inner in ast.walk(one) if isinstance(inner, ast.Name)}
        used += [known[name] for name in sorted(names & known.keys()) if known[name] not in used]
    return used


def _written_in(module: Module, functions: Mapping[str, set[str]]) -> Iterator[str]:
    """Yields the reasons of the functions that a service's module imports, or calls in a module that it imports."""
    if module.package == "weft_kit":
        return
    ends = _ENDS_OF_JOBS.removesuffix(".py").replace("/", ".")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == ends:
            yield from (reason for alias in node.names for reason in functions.get(alias.name, ()))
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == ends.rpartition(".")[2]:
            yield from functions.get(node.attr, ())


def _raised_in(module: Module, classes: dict[str, str]) -> Iterator[str]:
    """Yields the reasons that a module names, comparisons left out, and those of the errors it makes."""
    if module.path.name == "errors.py" and module.package == "weft_kit":
        return
    yield from _named(module.tree)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
            yield classes[node.func.id]


def _named(node: ast.AST) -> Iterator[str]:
    """Yields the reasons that are named below a node, where they are given and not asked for."""
    if isinstance(node, ast.Attribute) and node.attr.startswith(_PREFIX):
        yield node.attr.removeprefix(_PREFIX)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _named(value)
    elif not isinstance(node, ast.Compare | ast.Set):
        for child in ast.iter_child_nodes(node):
            yield from _named(child)
