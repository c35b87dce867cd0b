"""Schemas of tools' arguments in Moonshot's flavor of JSON Schema: Kimi refuses others.

Its rules are those of MoonshotAI/walle (docs/mfjs-walle-vs-draft-2020-12.md): a type in each schema, or else `anyOf` or
`$ref`, and beside those two nothing but words; met in MoonshotAI/kimi-cli#1595, #2061 and #2531, earendil-works/pi#4138
and router-for-me/CLIProxyAPI#5316. What it has no keyword for is told in descriptions; the arguments of calls are not
held to their schema by anybody but the tool itself.
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
    """Returns a schema with an object at the root as Moonshot takes it."""
    root = deepcopy(schema)
    name_definitions(root)
    for _, keyword, part in subschemas(root):
        # Here alone an empty schema means any value.
        if part or keyword != "additionalProperties":
            _put(part)
    return root


def _put(part: Schema) -> None:
    """Puts one schema as it is taken."""
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
    """Says with keywords that are known what others say, too."""
    merge_only_part(part)
    if "const" in part:
        part.setdefault("enum", [part.pop("const")])
    if "oneOf" in part and "anyOf" not in part:
        part["anyOf"] = part.pop("oneOf")
    name_reference(part)


def _name_type(part: Schema, told: Schema) -> None:
    """Names the type of what is neither a reference nor one of several."""
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
    """Leaves nothing but words beside `anyOf`, or tells it in words itself."""
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
    """Lets each property have a schema, and what is required be one of them."""
    properties: Any = part.get("properties")
    if not isinstance(properties, dict):
        return
    part["properties"] = {name: one if isinstance(one, dict) else {} for name, one in properties.items()}
    if isinstance(required := part.get("required"), list):
        part["required"] = [name for name in required if name in properties]
