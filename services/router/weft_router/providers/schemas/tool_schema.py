"""Schemas of tools' arguments as providers accept them: with an object at the root, in the latest draft.

Keywords that OpenAI and Anthropic refuse at the root are put into words for the model, since only the tool itself
checks a call's arguments against the schema. ("schema must have type 'object' and not have
'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level", langchain-ai/langchainjs#9804; "object schema missing
properties", spring-projects/spring-ai#4776; "input_schema does not support oneOf, allOf, or anyOf at the top level",
dearlordylord/huly-mcp#66.)

Keywords of earlier drafts are rewritten as in the latest, and types that no draft has are put into words. ("array
schema missing items", streamnative/streamnative-mcp-server#26; "JSON schema is invalid. It must match JSON Schema draft
2020-12", kintone/mcp-server#553.)
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from weft_kit.validation.json_schemas import subschemas
from weft_router.providers.schemas.keywords import Schema, tell
from weft_router.providers.schemas.strict_schema import TYPES, with_root

_LISTS: Final = ("allOf", "anyOf", "oneOf")
_REFUSED: Final = frozenset({*_LISTS, "not", "enum", "const"})


def object_schema(schema: Any) -> Schema:
    """Returns the schema of an object with all properties of a schema, including those of its alternatives."""
    if not isinstance(schema, dict):
        return {"type": "object", "properties": {}}
    root = with_root(deepcopy(schema))
    for _, _, part in subschemas(root):
        _bring_up_to_date(part)
    told = {keyword: root.pop(keyword) for keyword in _REFUSED & root.keys()}
    properties: Schema = {}
    for part in (*_parts(told), root):
        if isinstance(found := part.get("properties"), dict):
            properties |= found
    root |= {"type": "object", "properties": properties}
    if told:
        tell(root, told)
    return root


def _bring_up_to_date(part: Schema) -> None:
    """Rewrites the keywords of one schema as in the latest draft."""
    _name_types(part)
    _list_required(part)
    if isinstance(part.get("items"), list):
        part["prefixItems"] = part.pop("items")
        part["items"] = part.pop("additionalItems", {})
    types = part.get("type")
    if "array" in (types if isinstance(types, list) else [types]):
        part.setdefault("items", {})
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(part.get(exclusive), bool) and part.pop(exclusive) and bound in part:
            part[exclusive] = part.pop(bound)


def _name_types(part: Schema) -> None:
    """Names types as JSON Schema does; a type that it does not have is put into words."""
    types = part.get("type")
    if types is None:
        part.pop("type", None)
        return
    named = [str(one).lower() for one in (types if isinstance(types, list) else [types])]
    if named and TYPES.issuperset(named):
        part["type"] = named if isinstance(types, list) else named[0]
    else:
        tell(part, {"type": part.pop("type")})


def _list_required(part: Schema) -> None:
    """Lists the required properties; in an early draft each property said so itself."""
    given, properties = part.get("required"), part.get("properties")
    required = given if isinstance(given, list) else []
    parts = properties.items() if isinstance(properties, dict) else ()
    said = [name for name, one in parts if isinstance(one, dict) and one.get("required") is True]
    if listed := [*required, *(name for name in said if name not in required)]:
        part["required"] = listed
    elif not isinstance(given, list):
        part.pop("required", None)


def _parts(told: Schema) -> Iterator[Schema]:
    for keyword in _LISTS:
        parts = told.get(keyword)
        if isinstance(parts, list):
            yield from (part for part in parts if isinstance(part, dict))
