"""Rewrites keywords of JSON Schemas as a provider knows them, or puts them into words if it does not.

All functions change the schema that they are given.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

_OLD: Final = "#/definitions/"


def tell(part: Schema, told: Mapping[str, Any], *, in_order: bool = False) -> None:
    """Adds keywords that were removed from a schema to its description; `in_order` as given, else sorted."""
    words = json.dumps(told, ensure_ascii=False, sort_keys=not in_order)
    part["description"] = "\n\n".join(filter(None, (str(part.get("description") or ""), words)))


def merge_only_part(part: Schema) -> None:
    """Replaces an `allOf` of one part by that part, if the two have no keyword in common."""
    match part.get("allOf"):
        case [dict() as only] if not only.keys() & part.keys():
            del part["allOf"]
            part |= only


def name_definitions(part: Schema) -> None:
    """Moves definitions to `$defs`, where later drafts have them."""
    if isinstance(definitions := part.pop("definitions", None), dict):
        part["$defs"] = definitions | (part.get("$defs") or {})


def name_reference(part: Schema) -> None:
    """Points a reference to `$defs`, where later drafts have definitions."""
    if isinstance(reference := part.get("$ref"), str) and reference.startswith(_OLD):
        part["$ref"] = f"#/$defs/{reference.removeprefix(_OLD)}"
