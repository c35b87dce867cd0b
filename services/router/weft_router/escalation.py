"""Whether a cheap answer is good enough, by the rules of its alias."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from weft.job.v1 import job_pb2
from weft_kit.routing_entries import Escalation
from weft_router.transcript import Transcript

_OPENING_CHARACTERS = 400

# A schema is its tenant's: a reference in it must not have this process fetch what it names.
_NOTHING_TO_FETCH: Registry[Any] = Registry()


def shortcoming(rule: Escalation, request: job_pb2.GenerationRequest, said: Transcript) -> str | None:
    """Return what is wrong with an answer, in a few words; None when it may stand. Calls of tools always may."""
    if said.tool_calls:
        return None
    text = said.text.strip()
    if len(text) < rule.shorter_than:
        return f"shorter than {rule.shorter_than} characters"
    if _refuses(text[:_OPENING_CHARACTERS], rule.refusals):
        return "a refusal"
    if rule.off_schema and not meets_schema(text, request.response_format.json_schema.schema_json):
        return "off its JSON schema"
    return None


def meets_schema(text: str, schema: str) -> bool:
    """Say whether a text is JSON that a schema allows. Where there is no schema, or none that can be used, it does."""
    validator = _validator(schema) if schema else None
    if validator is None:
        return True
    try:
        return validator.is_valid(json.loads(text))
    except Unresolvable:
        return True
    except (ValueError, RecursionError):
        return False


def _refuses(opening: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, opening, re.IGNORECASE) for pattern in patterns)


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator | None:
    try:
        parsed = json.loads(schema)
        kind = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
        kind.check_schema(parsed)
    except (ValueError, RecursionError, jsonschema.SchemaError):
        return None
    validator: Validator = kind(_without_patterns(parsed), registry=_NOTHING_TO_FETCH)
    return validator


def _without_patterns(schema: Any) -> Any:
    """Leave out regular expressions, which could keep this process busy for ever, and what depends on them."""
    match schema:
        case list():
            return [_without_patterns(one) for one in schema]
        case {"patternProperties": _}:
            left_out = ("patternProperties", "additionalProperties", "unevaluatedProperties")
            return _without_patterns({key: value for key, value in schema.items() if key not in left_out})
        case {"pattern": str()}:
            return _without_patterns({key: value for key, value in schema.items() if key != "pattern"})
        case dict():
            return {key: _without_patterns(value) for key, value in schema.items()}
    return schema
