"""Forms that answers are asked for in, and whether a text has one."""

import json
from typing import Any

from weft.common.v1 import chat_pb2
from weft_router.validation.response_format import fault_of

CITY: dict[str, Any] = {
    "type": "object",
    "required": ["city"],
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
TREE = {"type": "array", "items": {"$ref": "#"}}


def form(schema: Any) -> chat_pb2.ResponseFormat:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="n", schema_json=text))


def what(wanted: chat_pb2.ResponseFormat, text: str) -> str | None:
    fault = fault_of(wanted, text)
    return fault.what if fault else None


def meets(schema: Any, value: Any) -> bool:
    return fault_of(form(schema), value if isinstance(value, str) else json.dumps(value)) is None
