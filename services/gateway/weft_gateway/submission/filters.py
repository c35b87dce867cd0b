"""Checks the shape of a filter, before retrieval gives it a meaning."""

import re
from typing import Final

from weft.common.v1 import filter_pb2

_DEEPEST: Final = 8
_MOST_NODES: Final = 64
_MOST_VALUES: Final = 100
_FIELD: Final = re.compile(r"document_id|content_type|title|source_uri|ingest_time|metadata\.[a-zA-Z0-9_-]{1,64}")
_KNOWN_OPERATORS: Final = frozenset(filter_pb2.Condition.Operator.values()) - {
    filter_pb2.Condition.OPERATOR_UNSPECIFIED
}
_ORDERED: Final = frozenset({
    filter_pb2.Condition.OPERATOR_LESS, filter_pb2.Condition.OPERATOR_LESS_OR_EQUAL,
    filter_pb2.Condition.OPERATOR_GREATER, filter_pb2.Condition.OPERATOR_GREATER_OR_EQUAL,
})  # fmt: skip
_EQUALITY: Final = frozenset({filter_pb2.Condition.OPERATOR_EQUAL, filter_pb2.Condition.OPERATOR_NOT_EQUAL})


def filter_problem(root: filter_pb2.Filter) -> str | None:
    """Returns the first fault, as a path below the filter and what was expected there; None when there is none."""
    nodes = [("", 1, root)]
    seen = 0
    while nodes:
        path, depth, node = nodes.pop()
        seen += 1
        if depth > _DEEPEST:
            return f"{path}: is deeper than {_DEEPEST}"
        if seen > _MOST_NODES:
            return f": has more than {_MOST_NODES} nodes"
        problem = _node_problem(node)
        if problem:
            return f"{path}{problem}"
        nodes += ((path + name, depth + 1, child) for name, child in _children(node))
    return None


def _children(node: filter_pb2.Filter) -> list[tuple[str, filter_pb2.Filter]]:
    match node.WhichOneof("node"):
        case "not":
            return [(".not", getattr(node, "not"))]
        case "and" | "or" as kind:
            return [(f".{kind}[{i}]", child) for i, child in enumerate(getattr(node, kind).filters)]
    return []


def _node_problem(node: filter_pb2.Filter) -> str | None:
    match node.WhichOneof("node"):
        case None:
            return ": must be one of and, or, not, condition"
        case "condition":
            return _condition_problem(node.condition)
        case "and" | "or" as kind if not getattr(node, kind).filters:
            return f".{kind}: needs at least one filter"
    return None


def _condition_problem(condition: filter_pb2.Condition) -> str | None:
    if not _FIELD.fullmatch(condition.field):
        return ".condition.field: must be a field of documents, or metadata.KEY with KEY of 1-64 [a-zA-Z0-9_-]"
    if condition.operator not in _KNOWN_OPERATORS:
        return ".condition.operator: is required"
    problem = _values_problem(condition)
    return f".condition.values: {problem}" if problem else None


def _values_problem(condition: filter_pb2.Condition) -> str | None:
    least, most = _value_counts(condition.operator)
    if not least <= len(condition.values) <= most:
        return f"must be {least}-{most}, are {len(condition.values)}"
    kinds = {value.WhichOneof("value") for value in condition.values}
    if None in kinds or len(kinds) > 1:
        return "must be set, and all of one type"
    if condition.operator in _ORDERED and not kinds <= {"number", "time"}:
        return "must be a number or a time with this operator"
    if "flag" in kinds and condition.operator not in _EQUALITY:
        return "can be a flag with EQUAL and NOT_EQUAL only"
    return None


def _value_counts(operator: int) -> tuple[int, int]:
    match operator:
        case filter_pb2.Condition.OPERATOR_IN:
            return 1, _MOST_VALUES
        case filter_pb2.Condition.OPERATOR_EXISTS:
            return 0, 0
    return 1, 1
