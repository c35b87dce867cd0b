"""Schemas of tools' arguments in Moonshot's flavor of JSON Schema: Kimi refuses others.

The rules are those of MoonshotAI/walle (docs/mfjs-walle-vs-draft-2020-12.md): each schema has a type, or else `anyOf`
or `$ref`, with nothing but words next to these two; seen in MoonshotAI/kimi-cli#1595, #2061 and #2531,
earendil-works/pi#4138 and router-for-me/CLIProxyAPI#5316. Constraints without a keyword go into descriptions; only the
tool itself checks a call's arguments against the schema.
"""

from copy import deepcopy
from typing import Any, Final

from weft_kit.validation.json_schemas import subschemas
from weft_router.providers.schemas.keywords import (
    Schema,
    merge_only_part,
    name_definitions,
    name_reference,
    tell,
)

_WORDS: Final = frozenset({"title", "description", "$defs", "$id"})
_KNOWN: Final = _WORDS | {
    "type", "enum", "anyOf", "$ref", "properties", "required", "additionalProperties", "items", "default", "minimum",
    "maximum", "minLength", "maxLength", "minItems", "maxItems",
}  # fmt: skip
_SAYS_NOTHING: Final = frozenset({"$schema", "$comment", "$anchor", "examples", "deprecated", "readOnly", "writeOnly"})
_ANYTHING: Final = ("string", "number", "boolean", "object", "array", "null")


def flavored(schema: Schema) -> Schema:
    """Returns a schema, whose root is an object, as Moonshot accepts it."""
    root = deepcopy(schema)
    name_definitions(root)
    for _, keyword, part in subschemas(root):
        # Only here does an empty schema mean any value.
        if part or keyword != "additionalProperties":
            _put(part)
    return root


def _put(part: Schema) -> None:
    """Rewrites one schema as it is accepted."""
    _rename(part)
    told = {keyword: part.pop(keyword) for keyword in list(part) if keyword not in _KNOWN}
    told = {keyword: value for keyword, value in told.items() if keyword not in _SAYS_NOTHING}
    _name_type(part, told)
    if "$ref" in part and len(part) > 1:
        part["anyOf"] = [{"$ref": part.pop("$ref")}]
    if "anyOf" in part:
        _part_alternatives(part, told)
    if "items" in part and (not part["items"] or part["items"] is True):
        told |= {"items": False} if part.pop("items") is False else {}
    _name_properties(part)
    if told:
        tell(part, told)


def _rename(part: Schema) -> None:
    """Replaces unknown keywords by known ones that mean the same."""
    merge_only_part(part)
    if "const" in part:
        part.setdefault("enum", [part.pop("const")])
    if "oneOf" in part and "anyOf" not in part:
        part["anyOf"] = part.pop("oneOf")
    name_reference(part)


def _name_type(part: Schema, told: Schema) -> None:
    """Gives a type to a schema without type, reference or `anyOf`; an enum of mixed types is put into words."""
    values = part.get("enum", [])
    kinds = {str if isinstance(value, str) else float for value in values} if isinstance(values, list) else set()
    if len(kinds) != 1 or any(type(value) not in (str, int, float) for value in values):
        told |= {"enum": part.pop("enum")} if "enum" in part else {}
        kinds = set()
    if part.keys() & {"type", "anyOf", "$ref"}:
        return
    if kinds:
        part["type"] = "string" if kinds == {str} else "number"
    elif "properties" in part or "items" in part:
        part["type"] = "object" if "properties" in part else "array"
    else:
        part["anyOf"] = [{"type": name} for name in _ANYTHING]


def _part_alternatives(part: Schema, told: Schema) -> None:
    """Leaves only words next to `anyOf`, or else puts `anyOf` itself into words."""
    parts, beside = part["anyOf"], part.keys() - _WORDS - {"anyOf", "default"}
    are_typed = isinstance(parts, list) and all(
        isinstance(one, dict) and one.keys() & {"type", "anyOf", "$ref", "enum", "const"} for one in parts
    )
    if are_typed and beside <= {"type"}:
        part.pop("type", None)
        told |= {"default": part.pop("default")} if "default" in part else {}
    elif beside:
        told["anyOf"] = part.pop("anyOf")


def _name_properties(part: Schema) -> None:
    """Makes sure that each property has a schema, and that required ones are among them."""
    properties: Any = part.get("properties")
    if not isinstance(properties, dict):
        return
    part["properties"] = {name: one if isinstance(one, dict) else {} for name, one in properties.items()}
    if isinstance(required := part.get("required"), list):
        part["required"] = [name for name in required if name in properties]
