"""A typed filter as a condition in SQL: checked node by node, every value a parameter.

The contract's semantics, which the tests hold against a plain evaluator:

- A condition on a missing field is false, so its negation is true. Empty `title` and `source_uri` are missing.
- A list in metadata is equal to a value, or compares with it, when one of its elements does; NOT_EQUAL is "present, and
  no element equal".
- Values of another type than the field's are never equal to it, and do not compare.
- Times compare with metadata text that is RFC 3339, to the microsecond.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql

from weft.common.v1 import error_pb2
from weft.common.v1.filter_pb2 import Condition, Filter, Value
from weft_kit.rpc.errors import Invalid
from weft_kit.rpc.time import datetime_of
from weft_retrieval.formats import ContentType
from weft_retrieval.metadata import KEY

MAX_DEPTH = 8
MAX_NODES = 64
MAX_VALUES = 100

_METADATA = "metadata."
_TEXT_FIELDS = {
    "document_id": sql.SQL("d.document_id"),
    "content_type": sql.SQL("d.content_type"),
    "title": sql.SQL("nullif(d.title, '')"),
    "source_uri": sql.SQL("nullif(d.source_uri, '')"),
    "language": sql.SQL("d.language"),
}
_TIME_FIELDS = {"ingest_time": sql.SQL("d.ingest_time")}
_FIELDS = {**_TEXT_FIELDS, **_TIME_FIELDS}
_ORDERINGS = {
    Condition.OPERATOR_LESS: sql.SQL("<"),
    Condition.OPERATOR_LESS_OR_EQUAL: sql.SQL("<="),
    Condition.OPERATOR_GREATER: sql.SQL(">"),
    Condition.OPERATOR_GREATER_OR_EQUAL: sql.SQL(">="),
}
_EQUALITIES = {Condition.OPERATOR_EQUAL, Condition.OPERATOR_NOT_EQUAL, Condition.OPERATOR_IN}
_ARRAYS = {
    "text": sql.SQL("text[]"),
    "number": sql.SQL("float8[]"),
    "flag": sql.SQL("bool[]"),
    "time": sql.SQL("timestamptz[]"),
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition on `documents d` with its parameters. It also uses the parameter `collection` of its query."""

    condition: sql.Composable
    params: dict[str, object] = field(default_factory=dict)


def compile_filter(wanted: Filter) -> Compiled:
    """Turns a filter into SQL; raises Invalid(INVALID_FILTER) that names the node and what was expected there."""
    compiler = _Compiler()
    return Compiled(compiler.node(wanted, "filter", 1), compiler.params)


class _Compiler:
    def __init__(self) -> None:
        self.params: dict[str, object] = {}
        self._nodes = 0

    def node(self, wanted: Filter, path: str, depth: int) -> sql.Composable:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise _invalid(path, f"is nested deeper than {MAX_DEPTH}")
        if self._nodes > MAX_NODES:
            raise _invalid(path, f"is one node too many; a filter has at most {MAX_NODES}")
        match wanted.WhichOneof("node"):
            case "and":
                return self._joined(getattr(wanted, "and").filters, " AND ", f"{path}.and", depth)
            case "or":
                return self._joined(getattr(wanted, "or").filters, " OR ", f"{path}.or", depth)
            case "not":
                # IS NOT TRUE, because an unknown comparison counts as false before it is negated.
                operand = self.node(getattr(wanted, "not"), f"{path}.not", depth + 1)
                return sql.SQL("({} IS NOT TRUE)").format(operand)
            case "condition":
                return self._condition(wanted.condition, f"{path}.condition")
            case _:
                raise _invalid(path, "must be one of and, or, not, condition")

    def _joined(self, operands: Sequence[Filter], word: str, path: str, depth: int) -> sql.Composable:
        if not operands:
            raise _invalid(path, "must have at least one operand")
        parts = [self.node(operand, f"{path}[{at}]", depth + 1) for at, operand in enumerate(operands)]
        return sql.SQL("({})").format(sql.SQL(word).join(parts))

    def _condition(self, condition: Condition, path: str) -> sql.Composable:
        kind, values = _operands(condition, path)
        if condition.field.startswith(_METADATA):
            key = condition.field.removeprefix(_METADATA)
            if not KEY.fullmatch(key):
                raise _invalid(f"{path}.field", f"{condition.field!r}: a metadata key is 1 to 64 of [a-zA-Z0-9_-]")
            return self._on_metadata(key, condition.operator, kind, values)
        if condition.field not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise _invalid(f"{path}.field", f"{condition.field!r} is unknown; use {known} or metadata.KEY")
        _check_field(condition, kind, values, path)
        return self._on_column(_FIELDS[condition.field], condition.operator, kind, values)

    def _on_column(
        self, column: sql.Composable, operator: Condition.Operator.ValueType, kind: str, values: list[Any]
    ) -> sql.Composable:
        if operator == Condition.OPERATOR_EXISTS:
            return sql.SQL("({} IS NOT NULL)").format(column)
        if operator in _ORDERINGS:
            return sql.SQL("({} {} {})").format(column, _ORDERINGS[operator], self._param(values[0]))
        template = "({} <> ALL({}::{}))" if operator == Condition.OPERATOR_NOT_EQUAL else "({} = ANY({}::{}))"
        return sql.SQL(template).format(column, self._param(values), _ARRAYS[kind])

    def _on_metadata(
        self, key: str, operator: Condition.Operator.ValueType, kind: str, values: list[Any]
    ) -> sql.Composable:
        name = self._param(key)
        exists = sql.SQL("jsonb_exists(d.metadata, {})").format(name)
        if operator == Condition.OPERATOR_EXISTS:
            return exists
        comparison = self._comparison(operator, kind, values)
        holds = sql.SQL(
            "d.id {} (SELECT f.document FROM facts f WHERE f.collection_id = %(collection)s AND f.key = {} AND {})"
        )
        if operator == Condition.OPERATOR_NOT_EQUAL:
            return sql.SQL("({} AND {})").format(exists, holds.format(sql.SQL("NOT IN"), name, comparison))
        return holds.format(sql.SQL("IN"), name, comparison)

    def _comparison(self, operator: Condition.Operator.ValueType, kind: str, values: list[Any]) -> sql.Composable:
        column = sql.Identifier("f", kind)
        if operator in _ORDERINGS:
            return sql.SQL("{} {} {}").format(column, _ORDERINGS[operator], self._param(values[0]))
        given = sql.SQL("{}::{}").format(self._param(values), _ARRAYS[kind])
        equal = sql.SQL("{} = ANY({})").format(column, given)
        if kind != "text":
            return equal
        # Text may be longer than an index entry, so that its hash is what the index holds.
        hashed = sql.SQL("f.text_hash = ANY(ARRAY(SELECT hashtextextended(v, 0) FROM unnest({}) v))")
        return sql.SQL("{} AND {}").format(hashed.format(given), equal)

    def _param(self, value: object) -> sql.Composable:
        name = f"f{len(self.params)}"
        self.params[name] = value
        return sql.Placeholder(name)


def _operands(condition: Condition, path: str) -> tuple[str, list[Any]]:
    """Returns the values' one type and the values; checks how many the operator takes, and that it takes that type."""
    operator, count = condition.operator, len(condition.values)
    if operator == Condition.OPERATOR_EXISTS:
        if count:
            raise _invalid(f"{path}.values", "must be empty with EXISTS")
        return "", []
    if operator not in _ORDERINGS and operator not in _EQUALITIES:
        raise _invalid(f"{path}.operator", "must be EQUAL, NOT_EQUAL, LESS, …, IN or EXISTS")
    most = MAX_VALUES if operator == Condition.OPERATOR_IN else 1
    if not 1 <= count <= most:
        raise _invalid(
            f"{path}.values", f"must hold {'1 to 100 values' if most > 1 else 'exactly one value'}, not {count}"
        )
    kinds = {value.WhichOneof("value") for value in condition.values}
    if len(kinds) > 1 or None in kinds:
        raise _invalid(f"{path}.values", "must all be set and of one type: text, number, flag or time")
    kind = str(kinds.pop())
    if operator in _ORDERINGS and kind not in {"number", "time"}:
        raise _invalid(f"{path}.values", f"{kind} has no order; compare numbers or times, or use EQUAL")
    if operator == Condition.OPERATOR_IN and kind == "flag":
        raise _invalid(f"{path}.values", "a flag takes EQUAL and NOT_EQUAL only")
    return kind, [_python(value, f"{path}.values[{at}]") for at, value in enumerate(condition.values)]


def _check_field(condition: Condition, kind: str, values: list[Any], path: str) -> None:
    expected = "time" if condition.field in _TIME_FIELDS else "text"
    if kind not in {expected, ""}:
        raise _invalid(f"{path}.values", f"{condition.field} is {expected}, not {kind}")
    if condition.field == "content_type" and not set(values) <= set(ContentType):
        raise _invalid(f"{path}.values", f"content_type is one of {', '.join(ContentType)}")


def _python(value: Value, path: str) -> str | float | bool | datetime:
    if value.HasField("time"):
        try:
            return datetime_of(value.time)
        except (ValueError, OverflowError):
            raise _invalid(path, "is no time between the years 1 and 9999") from None
    return value.text if value.HasField("text") else value.number if value.HasField("number") else value.flag


def _invalid(path: str, problem: str) -> Invalid:
    return Invalid(error_pb2.ERROR_REASON_INVALID_FILTER, f"{path} {problem}", node=path)
