"""JSON Schemas from tenants, checked against limits before they are compiled or answers are validated against them.

A schema's cost is not its length: references may double it at each level, and a count of ten digits is short. So what
it expands to is limited too. Whether it is a valid schema is for its readers to say.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from weft_kit.validation.json_values import (
    BadJson,
    Bounds,
    Place,
    at,
    read,
)

JSON: Final = Bounds(size_bytes=128 * 1024, levels=64, values=10_000, are_names_unique=True)
"""Limits on a schema's text."""
MOST_SCHEMAS: Final = 2_000
"""Schemas in one, including itself."""
MOST_NAMES: Final = 1_000
"""Properties, definitions or required names in one place."""
MOST_CHOICES: Final = 256
"""Schemas in one list of allOf, anyOf, oneOf or prefixItems."""
MOST_VALUES: Final = 2_000
"""Values in one enum."""
MOST_EXPANDED: Final = 2_000
"""Schemas that a value is checked against, with references followed and all alternatives counted."""
MOST_EXPANDED_IN_ALL: Final = 20_000
"""The same, added up over all schemas in one."""
LONGEST_CHAIN: Final = 64
"""Nested references and combinations that apply to the same value."""
LARGEST_COUNT: Final = 10_000
"""The largest number of items or properties that a schema may name."""
LARGEST_LENGTH: Final = 1_000_000
"""The largest length of a text, in characters, that a schema may name."""
LONGEST_PATTERN: Final = 1_000
"""Characters in a regular expression."""
LARGEST_PATTERN: Final = 10_000
"""Characters in one with its counted repetitions written out."""

_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_ONES = frozenset({
    "items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
    "propertyNames", "not", "if", "then", "else", "contentSchema",
})  # fmt: skip
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_ANCHORS = ("$anchor", "$dynamicAnchor")
_LARGEST = {
    **dict.fromkeys(("minLength", "maxLength"), LARGEST_LENGTH),
    **dict.fromkeys(
        ("minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"), LARGEST_COUNT
    ),
}
_MOST = {
    "enum": (MOST_VALUES, "values"),
    "required": (MOST_NAMES, "names"),
    **dict.fromkeys(_MAPS, (MOST_NAMES, "names")),
    **dict.fromkeys(_LISTS, (MOST_CHOICES, "schemas")),
}
_REPEATED = re.compile(r"(.)\{([0-9]+)(?:,([0-9]*))?\}", re.DOTALL)
_LONGEST_COUNT = 7  # digits; longer ones are not even read
_BEYOND: Final = 10_000_000  # larger than any allowed pattern

Schema = dict[str, Any]


def read_schema(text: str) -> Schema:
    """Returns the schema in a text.

    Raises:
        BadJson: it is not a JSON object, or exceeds a limit.
    """
    schema = read(text, JSON)
    if not isinstance(schema, dict):
        raise BadJson("must be a JSON Schema, written as a JSON object")
    _Bounded(schema)
    return schema


def subschemas(schema: Schema) -> Iterator[tuple[Place, str, Schema]]:
    """Yields a schema and all schemas within it, each with its place and the keyword it belongs to."""
    waiting: list[tuple[Place, str, Any]] = [((), "", schema)]
    while waiting:
        place, keyword, part = waiting.pop()
        if isinstance(part, dict):
            yield place, keyword, part
            waiting += _parts(place, part)


def written_out(pattern: str) -> int:
    """Returns an upper bound on a pattern's length with its counted repetitions written out."""
    plain, nested = len(pattern), 1
    for before, fewest, most in _REPEATED.findall(pattern):
        if max(len(fewest), len(most)) > _LONGEST_COUNT:
            return _BEYOND
        count = max(int(fewest), int(most or 0))
        if before == ")":
            nested = min(nested * max(count, 1), _BEYOND)
        else:
            plain += count
    return plain * nested


def _parts(place: Place, schema: Schema) -> Iterator[tuple[Place, str, Any]]:
    for keyword, value in schema.items():
        match value:
            case dict() if keyword in _MAPS:
                yield from ((((place, keyword), name), keyword, part) for name, part in value.items())
            case list() if keyword in _LISTS:
                yield from ((((place, keyword), index), keyword, part) for index, part in enumerate(value))
            case dict() if keyword in _ONES:
                yield (place, keyword), keyword, value


class _Bounded:
    """Measures one schema. Raises BadJson where it exceeds a limit."""

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._known = self._gather()
        self._anchors = self._gather_anchors()
        self._expanded: dict[int, tuple[int, int]] = {}
        for place, part in self._known.values():
            _check_keywords(place, part)
        in_all = 0
        for place, part in self._known.values():
            in_all += self._expand(place, part, 0)[0]
            if in_all > MOST_EXPANDED_IN_ALL:
                raise BadJson(f"expands to more than {MOST_EXPANDED_IN_ALL} schemas; use fewer references")

    def _gather(self) -> Mapping[int, tuple[Place, Schema]]:
        known: dict[int, tuple[Place, Schema]] = {}
        for place, _, part in subschemas(self._root):
            known[id(part)] = place, part
            if len(known) > MOST_SCHEMAS:
                raise BadJson(f"holds more than {MOST_SCHEMAS} schemas")
        return known

    def _gather_anchors(self) -> Mapping[str, Schema]:
        return {
            part[keyword]: part
            for _, part in self._known.values()
            for keyword in _ANCHORS
            if isinstance(part.get(keyword), str)
        }

    def _expand(self, place: Place, schema: Schema, depth: int) -> tuple[int, int]:
        """Returns how many schemas a value is checked against here, and how deeply they are nested."""
        if id(schema) in self._expanded:
            return self._expanded[id(schema)]
        size, height = 1, 1
        for inner_place, inner in self._applied(place, schema):
            if depth >= LONGEST_CHAIN:
                raise BadJson(f"{at(place)} refers to itself, or is reached by more than {LONGEST_CHAIN} references")
            inner_size, inner_height = self._expand(inner_place, inner, depth + 1)
            size, height = size + inner_size, max(height, inner_height + 1)
            if size > MOST_EXPANDED:
                raise BadJson(f"{at(place)} expands to more than {MOST_EXPANDED} schemas; use fewer references")
        if height > LONGEST_CHAIN:
            raise BadJson(f"{at(place)} goes through more than {LONGEST_CHAIN} references")
        self._expanded[id(schema)] = size, height
        return size, height

    def _applied(self, place: Place, schema: Schema) -> Iterator[tuple[Place, Schema]]:
        """Yields the schemas that apply to the same value as this one."""
        for inner_place, keyword, part in _parts(place, schema):
            if keyword in _IN_PLACE and isinstance(part, dict):
                yield inner_place, part
        for keyword in _REFERENCES & schema.keys():
            target = self._target((place, keyword), schema[keyword])
            if isinstance(target, dict):
                yield self._known[id(target)][0], target

    def _target(self, place: Place, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise BadJson(f"{at(place)} must begin with #: a schema elsewhere is not fetched")
        fragment = unquote(reference[1:])
        target = self._anchors.get(fragment) if fragment[:1] not in ("", "/") else _found(self._root, fragment)
        if not (isinstance(target, bool) or id(target) in self._known):
            raise BadJson(f"{at(place)} names no schema within this one")
        return target


def _found(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        match document:
            case dict():
                document = document.get(name)
            case list() if name.isdecimal() and len(name) <= _LONGEST_COUNT and int(name) < len(document):
                document = document[int(name)]
            case _:
                return None
    return document


def _check_keywords(place: Place, schema: Schema) -> None:
    """Raises BadJson for what is too many or too large in a schema, not counting the schemas within it."""
    if place and isinstance(schema.get("$id"), str):
        raise BadJson(f"{at((place, '$id'))} may stand in the outermost schema alone")
    for keyword in _MOST.keys() & schema.keys():
        value, (most, what) = schema[keyword], _MOST[keyword]
        if isinstance(value, dict | list) and len(value) > most:
            raise BadJson(f"{at((place, keyword))} holds {len(value)} {what}, at most {most} are taken")
    for keyword in _LARGEST.keys() & schema.keys():
        number, largest = schema[keyword], _LARGEST[keyword]
        if isinstance(number, int | float) and number > largest:
            raise BadJson(f"{at((place, keyword))} must be at most {largest}, is {number:g}")
    if isinstance(pattern := schema.get("pattern"), str):
        _check_pattern((place, "pattern"), pattern)
    if isinstance(patterns := schema.get("patternProperties"), dict):
        for pattern in patterns:
            _check_pattern(((place, "patternProperties"), pattern), pattern)


def _check_pattern(place: Place, pattern: str) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise BadJson(f"{at(place)} is a pattern of {len(pattern)} characters, at most {LONGEST_PATTERN} are taken")
    if written_out(pattern) > LARGEST_PATTERN:
        what = f"at most {LARGEST_PATTERN} characters are taken with its repetitions written out"
        raise BadJson(f"{at(place)} is too large a pattern: {what}")
