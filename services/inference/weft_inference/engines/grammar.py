"""Builds llama.cpp grammars from JSON Schemas and checks each before the engine reads it.

With llama.cpp's own grammars, each token costs the square of the number of possible continuations, in the thread that
serves all requests. llguidance, which is built into the engine, bounds that cost. But the engine silently ignores a
grammar that it cannot read, so the same library reads it here first, in the caller's thread.
"""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from weft_inference.engines.engine import SCHEMA_FIELD
from weft_kit.rpc.errors import InvalidFields
from weft_kit.validation.json_schemas import Schema, subschemas
from weft_kit.validation.json_values import at

MOST_ITEMS: Final = 2_000
"""Most items and properties that a schema's bounds may count in all: each is a rule of the grammar."""
MOST_PROPERTIES: Final = 400
"""Most properties of one object. Optional ones are tried at every place; beyond about 490 the library gives up."""
MOST_RULES: Final = 10_000
"""Most symbols in a grammar: each costs some 20 µs to read in the engine's thread that serves all requests."""
MOST_STATES: Final = 300_000
"""Most steps that the library may take to build the lexer of patterns, numbers and names."""

# Unknown keywords, such as a `format` that only describes, are left out of the grammar. White space is fixed to its
# most common form: where it is free, small models may write nothing else.
_OPTIONS: Final = {
    "lenient": True, "coerce_one_of": True,
    "whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ",
}  # fmt: skip
# Divisors take as many states as their common multiple. Options in a caller's schema are not obeyed.
_LEFT_OUT = ("multipleOf", "x-guidance")
_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties")
# After the reason, the message lists the grammar line by line.
_REFUSAL: Final = re.compile(r"failed to compile JSON schema: (.*?)(?=\n *1 \||\Z)", re.DOTALL)
_LONGEST_REFUSAL = 200


def are_read() -> bool:
    """Returns whether the engine was built with llguidance, which reads these grammars."""
    from xllamacpp import json_schema_to_grammar

    grammar: str = json_schema_to_grammar({})
    return grammar.startswith("%llguidance")


def grammar_of(schema: Mapping[str, Any]) -> str:
    """Returns a grammar for answers that satisfy a schema, except for the keywords left out.

    Raises:
        InvalidFields: the engine cannot enforce the schema.
    """
    # Imported here, like the engine itself: other engines do not need it.
    from llguidance import LLMatcher, LLParserLimits

    kept = deepcopy(dict(schema))
    _bound(kept)
    grammar = f"%llguidance {{}}\nstart: %json {json.dumps(kept | {'x-guidance': _OPTIONS})}"
    limits = LLParserLimits(max_grammar_size=MOST_RULES, initial_lexer_fuel=MOST_STATES)
    if refusal := LLMatcher.validate_grammar(grammar, limits=limits):
        found = _REFUSAL.search(refusal)
        why = f" ({' '.join(found[1].split())[:_LONGEST_REFUSAL]})" if found else ""
        raise InvalidFields({SCHEMA_FIELD: f"cannot be turned into a grammar by the engine{why}; simplify it"})
    return grammar


def _bound(schema: Schema) -> None:
    """Removes keywords that cost too much and can be left out. Raises InvalidFields for counts that are too large."""
    items = 0
    for place, _, part in subschemas(schema):
        for keyword in _LEFT_OUT:
            part.pop(keyword, None)
        properties = part.get("properties")
        if isinstance(properties, dict) and len(properties) > MOST_PROPERTIES:
            problem = f"holds {len(properties)} names, at most {MOST_PROPERTIES} are taken by the engine"
            raise InvalidFields({SCHEMA_FIELD: f"{at((place, 'properties'))} {problem}"})
        items += max([0, *(int(part[name]) for name in _COUNTS if isinstance(part.get(name), int | float))])
        if items > MOST_ITEMS:
            problem = f"counts more than {MOST_ITEMS} items with those before it, the most that the engine takes"
            raise InvalidFields({SCHEMA_FIELD: f"{at(place)} {problem}"})
