"""Keywords of JSON Schemas on their way to a provider: put as it has them, or told in words where it has none.

All change the schema that they are given.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

_OLD: Final = "#/definitions/"


def tell(part: Schema, told: Mapping[str, Any], *, in_order: bool = False) -> None:
    """Adds to a schema's description what no keyword of it says any more; `in_order` as it is given, else sorted."""
    words = json.dumps(told, ensure_ascii=False, sort_keys=not in_order)
    part["description"] = "\n\n".join(filter(None, (str(part.get("description") or ""), words)))


def merge_only_part(part: Schema) -> None:
    """Puts the only part of an `allOf` in its place, where neither says what the other does."""
    match part.get("allOf"):
        case [dict() as only] if not only.keys() & part.keys():
            del part["allOf"]
            part |= only


def name_definitions(part: Schema) -> None:
    """Has definitions stand where later drafts have them."""
    if isinstance(definitions := part.pop("definitions", None), dict):
        part["$defs"] = definitions | (part.get("$defs") or {})


def name_reference(part: Schema) -> None:
    """Has a reference lead to where later drafts have definitions."""
    if isinstance(reference := part.get("$ref"), str) and reference.startswith(_OLD):
        part["$ref"] = f"#/$defs/{reference.removeprefix(_OLD)}"
