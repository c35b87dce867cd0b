"""JSON Schemas as providers enforce them: closed, and with keywords they know, if the meaning stays the same.

A schema is changed only in ways after which every answer that a provider lets through still satisfies the request:

- A root that lists properties and names no type becomes an object.
- An object that lists properties and does not mention others is closed: an answer without others is valid anyway.
- Keywords that only describe are left out if they are refused; `format` is one of these, as in the dialects.
- A reference next to a description is put into an `anyOf`, which means the same.
- A constraint that Anthropic does not know is put into the description, as its own SDK does. The router checks the
  answer against it, as against the whole schema.

Nothing else is changed. An optional property is not made required, nor nullable: the answer would not be the requested
one. An object for any names (a dictionary) is not closed: it would have to be empty. Such schemas are not enforced:
OpenAI's formats get them without `strict`, Anthropic in words, and the router checks the answer, as always.

The rules are from OpenAI's guide to structured outputs ("Supported schemas", with a shorter list for fine-tuned models
and Azure) and Anthropic's ("JSON Schema limitations", "Schema complexity limits"), both as of 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from weft_router.providers.schemas.keywords import Schema, tell

_DESCRIBING: Final = frozenset({
    "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "discriminator",
})  # fmt: skip
_BESIDE: Final = frozenset({"title", "description"})
_DEFINITIONS: Final = ("$defs", "definitions")
_OF_ANOTHER_KIND: Final = frozenset({"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "not"})
_SHAPES: Final = _BESIDE | {
    "type", "enum", "const", "anyOf", "$ref", "properties", "required", "additionalProperties", "items", "format",
}  # fmt: skip
_BOUNDS: Final = frozenset({
    "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
})  # fmt: skip
_FORMATS: Final = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid",
})  # fmt: skip
TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_TYPE_OF: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_REFERENCE: Final = re.compile(r"#|#/(\$defs|definitions)/([^/~%]+)")
_BACKTRACKING: Final = re.compile(r"\(\?[=!<]|\\[1-9]")
_LONG_ENUM: Final = 250
_LONG_ENUM_CHARACTERS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """The schemas that one API enforces."""

    bounds: frozenset[str]
    """Constraints on values that it accepts."""
    told: frozenset[str] = frozenset()
    """Constraints that are put into the description, because it refuses them."""
    formats: frozenset[str] = _FORMATS
    unions: frozenset[str] = frozenset({"anyOf"})
    may_recur: bool = True
    may_begin_with_union: bool = False
    levels: int = 10
    properties: int = 5_000
    characters: int = 120_000
    enum_values: int = 1_000
    optional: int = 0
    """Most optional properties."""
    most_unions: int = 2_000
    """Most places where a value may have several types."""


OPENAI: Final = Dialect(_BOUNDS)
OPENAI_PLAIN: Final = Dialect(frozenset(), formats=frozenset())
"""For fine-tuned models and Azure."""
CLAUDE: Final = Dialect(
    frozenset({"minItems"}),  # of 0 or 1
    told=_BOUNDS | {"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"},
    formats=_FORMATS | {"uri"},
    unions=frozenset({"anyOf", "oneOf"}),
    may_recur=False,
    may_begin_with_union=True,
    optional=24,
    most_unions=16,
)


class _Loose(Exception):
    """The schema cannot be enforced."""


def enforced(schema: Any, dialect: Dialect) -> Schema | None:
    """Returns a schema with the same meaning that the API enforces; None if there is none."""
    try:
        return _Strict(dialect).whole(schema)
    except (_Loose, RecursionError):
        return None


def with_root(schema: Schema) -> Schema:
    """Returns a copy of a schema whose root names its type.

    A root that is only a reference, as generators write for a recursive type, is replaced by its target. A root that
    only lists properties, as people write, becomes an object.
    """
    root, found = dict(schema), _REFERENCE.fullmatch(str(schema.get("$ref", "")))
    if found and found[1] and not schema.keys() - _DESCRIBING - _BESIDE - {"$ref", *_DEFINITIONS}:
        definitions = schema.get(found[1])
        target = definitions.get(found[2]) if isinstance(definitions, dict) else None
        root = {**target, **_without(schema, {"$ref"})} if isinstance(target, dict) else root
    if "properties" in root and not root.keys() & _OF_ANOTHER_KIND:
        root["type"] = "object"
    return root


def is_object(schema: Any) -> bool:
    """Returns whether a schema's root says that only an object satisfies it."""
    return isinstance(schema, dict) and with_root(schema).get("type") == "object"


@dataclass(slots=True)
class _Strict:
    """Converts one schema, and counts what the API limits."""

    dialect: Dialect
    properties: int = 0
    optional: int = 0
    unions: int = 0
    characters: int = 0
    enum_values: int = 0
    references: dict[str, set[str]] = field(default_factory=dict)
    """The definitions that each definition refers to, by its name; "" for the schema itself."""
    _within: str = ""

    def whole(self, schema: Any) -> Schema:
        _expect(isinstance(schema, dict))
        root = with_root(schema)
        definitions = {keyword: root.pop(keyword) for keyword in _DEFINITIONS if keyword in root}
        _expect(all(isinstance(parts, dict) for parts in definitions.values()))
        _expect(self.dialect.may_begin_with_union or root.get("type") == "object")
        said = self.part(root, 0)
        for keyword, parts in definitions.items():
            said[keyword] = {name: self._definition(f"#/{keyword}/{name}", part) for name, part in parts.items()}
        self._expect_limits()
        return said

    def part(self, schema: Any, level: int) -> Schema:
        _expect(isinstance(schema, dict) and len(schema.keys() & self.dialect.unions) <= 1)
        said: Schema = {}
        told: Schema = {}
        for keyword, value in schema.items():
            if self._is_told(keyword, value):
                told[keyword] = value
            elif keyword not in _DESCRIBING:
                said["anyOf" if keyword in self.dialect.unions else keyword] = value
        _expect(not said.keys() - _SHAPES - self.dialect.bounds)
        said = self._shape(said, level)
        if told and self.dialect.told:
            tell(said, told, in_order=True)
        return said

    def _is_told(self, keyword: str, value: Any) -> bool:
        if keyword == "format":
            return not isinstance(value, str) or value not in self.dialect.formats
        return keyword in self.dialect.told and not (keyword == "minItems" and value in (0, 1))

    def _shape(self, said: Schema, level: int) -> Schema:
        if "$ref" in said:
            return self._reference(said)
        if "anyOf" in said:
            return self._union(said, level)
        self._count_values(said)
        types = said.get("type")
        self.unions += isinstance(types, list)
        types = types if isinstance(types, list) else [types]
        _expect(bool(types) and all(isinstance(one, str) and one in TYPES for one in types))
        _expect(all(_is_bound(keyword, said[keyword]) for keyword in said.keys() & _BOUNDS))
        if "object" in types:
            said = self._object(said, level + 1)
        if "array" in types:
            said["items"] = self.part(said.get("items"), level)
        return said

    def _object(self, said: Schema, level: int) -> Schema:
        properties, required = said.get("properties", {}), said.get("required", [])
        _expect(level <= self.dialect.levels and isinstance(properties, dict) and isinstance(required, list))
        _expect(said.get("additionalProperties", False) is False)
        _expect(bool(properties) or "additionalProperties" in said)
        _expect(all(isinstance(name, str) and name in properties for name in required))
        optional = len(properties) - len(set(required))
        self.optional += optional
        self.properties += len(properties)
        self.characters += sum(map(len, properties))
        parts = {name: self.part(part, level) for name, part in properties.items()}
        return said | {"properties": parts, "required": required, "additionalProperties": False}

    def _union(self, said: Schema, level: int) -> Schema:
        parts = said["anyOf"]
        _expect(not said.keys() - _BESIDE - {"anyOf"} and isinstance(parts, list) and bool(parts))
        self.unions += 1
        return said | {"anyOf": [self.part(part, level) for part in parts]}

    def _reference(self, said: Schema) -> Schema:
        reference = said["$ref"]
        _expect(isinstance(reference, str) and _REFERENCE.fullmatch(reference) is not None)
        _expect(not said.keys() - _BESIDE - {"$ref"})
        self.references.setdefault(self._within, set()).add(reference)
        if len(said) == 1:
            return said
        self.unions += 1
        return _without(said, {"$ref"}) | {"anyOf": [{"$ref": reference}]}

    def _definition(self, name: str, part: Any) -> Schema:
        self._within = name
        self.characters += len(name)
        return self.part(part, 0)

    def _count_values(self, said: Schema) -> None:
        values = said.get("enum", [])
        _expect(isinstance(values, list) and ("enum" not in said or bool(values)))
        values = [*values, *([said["const"]] if "const" in said else [])]
        _expect(all(type(value) in _TYPE_OF for value in values))
        if values and "type" not in said:
            types = sorted({_TYPE_OF[type(value)] for value in values})
            said["type"] = types if len(types) > 1 else types[0]
        characters = sum(len(value) for value in values if isinstance(value, str))
        _expect(len(values) <= _LONG_ENUM or characters <= _LONG_ENUM_CHARACTERS)
        self.characters += characters
        self.enum_values += len(values)

    def _expect_limits(self) -> None:
        limits = self.dialect
        _expect(self.properties <= limits.properties and self.optional <= limits.optional)
        _expect(self.characters <= limits.characters and self.enum_values <= limits.enum_values)
        _expect(self.unions <= limits.most_unions)
        _expect(limits.may_recur or not _recurs(self.references))


def _recurs(references: Mapping[str, set[str]]) -> bool:
    """Returns whether a definition refers to itself, directly or through others, or anything refers to the root."""
    try:
        TopologicalSorter(references).prepare()
    except CycleError:
        return True
    return any("#" in found for found in references.values())


def _is_bound(keyword: str, value: Any) -> bool:
    if keyword == "pattern":
        return isinstance(value, str) and not _BACKTRACKING.search(value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without(schema: Schema, keywords: Any) -> Schema:
    return {keyword: value for keyword, value in schema.items() if keyword not in keywords}


def _expect(holds: bool) -> None:  # noqa: FBT001
    if not holds:
        raise _Loose
