"""Schemas of tools' arguments with an object at the root, which every provider wants and not every tool has.

What OpenAI and Anthropic refuse there is told the model in words: the arguments of calls are not held to their schema
by anybody but the tool itself. ("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at
the top level", langchain-ai/langchainjs#9804; "object schema missing properties", spring-projects/spring-ai#4776;
"input_schema does not support oneOf, allOf, or anyOf at the top level", dearlordylord/huly-mcp#66.)
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from weft_router.providers.strict_schema import Schema, with_root

_LISTS: Final = ("allOf", "anyOf", "oneOf")
_REFUSED: Final = frozenset({*_LISTS, "not", "enum", "const"})


def object_schema(schema: Any) -> Schema:
    """Return the schema of an object with the properties that a schema has, in whichever of its alternatives."""
    if not isinstance(schema, dict):
        return {"type": "object", "properties": {}}
    root = with_root(schema)
    told = {keyword: root.pop(keyword) for keyword in _REFUSED & root.keys()}
    properties: Schema = {}
    for part in (*_parts(told), root):
        if isinstance(found := part.get("properties"), dict):
            properties |= found
    root |= {"type": "object", "properties": properties}
    if told:
        words = json.dumps(told, ensure_ascii=False, sort_keys=True)
        root["description"] = "\n\n".join(filter(None, (str(root.get("description", "")), words)))
    return root


def _parts(told: Schema) -> Iterator[Schema]:
    for keyword in _LISTS:
        parts = told.get(keyword)
        if isinstance(parts, list):
            yield from (part for part in parts if isinstance(part, dict))
