"""JSON Schemas with the keywords that Gemini knows; other constraints go into descriptions, as for Claude.

The router checks answers against them. Next to `$ref` there is no place for a description.

The known keywords are in the reference of `responseJsonSchema` ("only the following properties are supported"): in
`enum` only strings and numbers, no `const`, next to `$ref` only keywords that begin with `$`; references to `$defs`.
"""

from typing import Any, Final

from weft_router.providers.schemas.keywords import (
    Schema,
    merge_only_part,
    name_definitions,
    name_reference,
    tell,
)

_MAPS: Final = frozenset({"properties", "$defs"})
_LISTS: Final = frozenset({"anyOf", "oneOf", "prefixItems"})
_ONES: Final = frozenset({"items", "additionalProperties"})
_KEPT: Final = _MAPS | _LISTS | _ONES | {
    "$id", "$ref", "$anchor", "type", "format", "title", "description", "enum", "minItems", "maxItems", "minimum",
    "maximum", "required", "propertyOrdering",
}  # fmt: skip
_TOLD: Final = frozenset({
    "enum", "const", "allOf", "not", "if", "then", "else", "pattern", "minLength", "maxLength", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "uniqueItems", "contains", "minContains", "maxContains", "minProperties",
    "maxProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
})  # fmt: skip


def known(schema: Any) -> Any:
    """Returns a schema without the keywords that Gemini does not know."""
    if not isinstance(schema, dict):
        return {} if schema is True else schema
    schema = _renamed(schema)
    kept = {
        keyword: _value(keyword, value)
        for keyword, value in schema.items()
        if keyword in _KEPT and ("$ref" not in schema or keyword[0] == "$")
    }
    if not _is_enum(kept.get("enum", [])):
        del kept["enum"]
    # A constant has become an enum of one value.
    left_out = (schema.keys() & _TOLD) - kept.keys() - ({"const"} if "enum" in schema else set())
    if left_out and "$ref" not in schema:
        tell(kept, {keyword: schema[keyword] for keyword in sorted(left_out)}, in_order=True)
    return kept


def _renamed(schema: Schema) -> Schema:
    renamed = dict(schema)
    merge_only_part(renamed)
    if "const" in renamed:
        renamed.setdefault("enum", [renamed["const"]])
    name_definitions(renamed)
    name_reference(renamed)
    return renamed


def _value(keyword: str, value: Any) -> Any:
    if keyword in _MAPS and isinstance(value, dict):
        return {name: known(part) for name, part in value.items() if part is not False}
    if keyword in _LISTS and isinstance(value, list):
        return [known(part) for part in value if part is not False]
    return known(value) if keyword in _ONES and isinstance(value, dict) else value


def _is_enum(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) in (str, int, float) for value in values)
