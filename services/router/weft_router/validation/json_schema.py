"""Validates documents against tenants' JSON Schemas, in bounded time and without fetching anything.

jsonschema does the work, with costly keywords replaced; each keyword is counted, and the clock checked before it.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from weft_router.validation.json_patterns import matches

Keyword = Callable[[Validator, Any, Any, Any], Iterator[ValidationError] | None]

# A reference must not make this process fetch anything.
_NOTHING_TO_FETCH: Registry[Any] = Registry()

_MOST_UNEVALUATED = 2_000
"""Most properties or items in which unevaluated ones are looked for: that takes the square of their number."""

_MOST_STEPS = 200_000
"""Most keywords checked and values compared for one document. Whether an answer passes should not depend on the
machine's speed, so this limit is reached before the time is up unless keywords cost more than usual."""

_AT_A_STRETCH_S = 0.001
"""How long a check runs before it yields; without that the event loop would wait five times as long for the GIL."""
_WAY_S = 0.000_05


class TooCostly(Exception):
    """A check exceeded a limit; the message says which."""


class _Budget:
    """The steps and the CPU time of its thread that a check has used."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._steps = 0
        now = time.thread_time()
        self._ends_at = now + limit_s
        self._gives_way_at = now + _AT_A_STRETCH_S
        self._members: dict[int, frozenset[str]] = {}

    def members(self, values: list[Any]) -> frozenset[str]:
        """Returns the values of an enum in the current schema, as a set."""
        if id(values) not in self._members:
            self._members[id(values)] = frozenset(map(_canonical, values))
        return self._members[id(values)]

    def spend(self, steps: int = 1) -> None:
        """Counts steps, and yields from time to time. Raises TooCostly if steps or time are used up."""
        self._steps += steps
        now = time.thread_time()
        if self._steps > _MOST_STEPS:
            raise TooCostly(f"{_MOST_STEPS} steps")
        if now > self._ends_at:
            raise TooCostly(f"{self._limit_s:g} s")
        if now > self._gives_way_at:
            time.sleep(_WAY_S)
            self._gives_way_at = now + _AT_A_STRETCH_S


_budget: ContextVar[_Budget] = ContextVar("_budget")


def violations(schema: str, document: Any, limit_s: float) -> Iterator[ValidationError]:
    """Yields a document's violations of its schema, within a number of steps and `limit_s` seconds of this thread's CPU
    time.

    An invalid schema is ignored, and so are parts that cannot be resolved or checked in bounded time.

    Raises:
        TooCostly: the steps or the time are used up.
        RecursionError: the document or the schema is nested too deep.
    """
    _budget.set(_Budget(limit_s))
    if (validator := _validator(schema)) is not None:
        _budget.set(_Budget(limit_s))  # the first answer gets as much as the next, for which the schema is cached
        with _panics_told():
            yield from validator.iter_errors(document)


@contextmanager
def _panics_told() -> Iterator[None]:
    """Raises RecursionError where the map of schemas, which is written in Rust, panicked.

    It does when the recursion limit is reached while it compares two keys, and what it raises is no Exception: nothing
    else would stop it before it has stopped the worker.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise RecursionError(str(error)) from error
        raise


@lru_cache(maxsize=128)
def _validator(schema: str) -> Validator | None:
    try:
        parsed = json.loads(schema)
        dialect = _bounded(
            validator_for(parsed, default=Draft202012Validator), "patternProperties" in json.dumps(parsed)
        )
        meta_schema = dialect(dialect.META_SCHEMA, registry=_NOTHING_TO_FETCH)
        with _panics_told():
            is_schema = next(meta_schema.iter_errors(parsed), None) is None
    except (ValueError, TypeError, RecursionError):
        return None
    return dialect(parsed, registry=_NOTHING_TO_FETCH) if is_schema else None


@lru_cache
def _bounded(dialect: type[Validator], is_patterned: bool) -> type[Validator]:  # noqa: FBT001
    """Returns a dialect of JSON Schema with every keyword timed and the costly ones replaced."""
    known: Mapping[str, Keyword] = dialect.VALIDATORS
    keywords = {name: _timed(_REPLACED.get(name, keyword)) for name, keyword in known.items()}
    for name in _REFERRING & keywords.keys():
        keywords[name] = _where_resolvable(keywords[name])
    for name in _UNEVALUATED & keywords.keys():
        # To see what patterns have evaluated, the library would match them with an engine that backtracks.
        keywords[name] = _nothing if is_patterned else _where_few(keywords[name])
    kind: type[Validator] = extend(dialect, keywords)  # type: ignore[no-untyped-call]
    kind.evolve = _evolved  # type: ignore[method-assign, assignment]
    return kind


def _evolved(validator: Any, **changes: Any) -> Validator:
    """Returns a validator for a part of a schema that keeps the bounded keywords even if the part names a dialect."""
    resolver = changes.get("_resolver", validator._resolver)  # noqa: SLF001
    evolved: Validator = type(validator)(changes["schema"], registry=_NOTHING_TO_FETCH, _resolver=resolver)
    return evolved


def _timed(keyword: Keyword) -> Keyword:
    def check(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        _budget.get().spend()
        return keyword(validator, value, instance, schema)

    return check


def _where_resolvable(keyword: Keyword) -> Keyword:
    def check(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        try:
            yield from keyword(validator, value, instance, schema) or ()
        except Unresolvable:
            return

    return check


def _where_few(keyword: Keyword) -> Keyword:
    def check(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        is_large = isinstance(instance, dict | list) and len(instance) > _MOST_UNEVALUATED
        return None if is_large else keyword(validator, value, instance, schema)

    return check


def _nothing(_validator: Validator, _value: Any, _instance: Any, _schema: Any) -> None:
    """Accepts everything."""


def _pattern(_validator: Validator, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and matches(pattern, instance) is False:
        yield ValidationError("does not match")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, part in patterns.items():
            for name, value in instance.items():
                if matches(pattern, name):
                    yield from validator.descend(value, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, part: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name, value in instance.items():
            # A name that may match a pattern, even if that is undecided, is not additional.
            if name in known or any(matches(pattern, name) is not False for pattern in patterns):
                continue
            if part is False:
                yield ValidationError("is not allowed", path=(name,))
            else:
                yield from validator.descend(value, part, path=name)


def _enum(_validator: Validator, values: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(values, list) and _canonical(instance) not in _budget.get().members(values):
        yield ValidationError("is none of them")


def _unique_items(_validator: Validator, wanted: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:  # noqa: FBT001
    if wanted and isinstance(instance, list) and len(set(map(_canonical, instance))) < len(instance):
        yield ValidationError("has equal items")


def _canonical(value: Any) -> str:
    """Returns a text that is the same for all equal values.

    Texts are hashed with a secret, so that a tenant cannot choose values whose hashes collide, as with numbers.
    """
    return json.dumps(_with_equal_numbers(value), sort_keys=True)


def _with_equal_numbers(value: Any) -> Any:
    _budget.get().spend()
    match value:
        case float() if value.is_integer():
            return int(value)  # 1.0 is 1
        case list():
            return [_with_equal_numbers(item) for item in value]
        case dict():
            return {name: _with_equal_numbers(item) for name, item in value.items()}
    return value


def _multiple_of(_validator: Validator, unit: float, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    number, divisor = _exact(instance), _exact(unit)
    if number is not None and divisor and number % divisor:
        yield ValidationError("is no multiple")


def _exact(value: Any) -> Fraction | None:
    """Returns a number exactly as written, since in binary 19.99 is no multiple of 0.01; None for other values."""
    match value:
        case bool():
            return None
        case int():
            return Fraction(value)
        case float() if isfinite(value):
            return Fraction(repr(value))
    return None


_REPLACED: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "enum": _enum,
    "multipleOf": _multiple_of,
}
_REFERRING = {"$ref", "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"}
_UNEVALUATED = {"unevaluatedItems", "unevaluatedProperties"}
