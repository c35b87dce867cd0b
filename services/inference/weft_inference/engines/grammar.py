"""Grammars for llama.cpp out of JSON Schemas, each tried out before the engine reads it.

llama.cpp's own grammars cost the square of what may come next, for each token and in the thread that answers everybody.
llguidance, which the engine has built in, bounds what a token may cost. But where the engine cannot read a grammar it
answers as if there were none, without a word: so the same library reads it here first, in the caller's thread.
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
"""Items and properties that a schema may count in all: each is a rule of the grammar."""
MOST_PROPERTIES: Final = 400
"""Of one object. Each that may be left out is tried at every place; beyond about 490 the library gives up."""
MOST_RULES: Final = 10_000
"""Symbols of the grammar: the engine reads it in the thread that answers everybody, in some 20 µs for each."""
MOST_STATES: Final = 300_000
"""Steps that the library may take to build what patterns, numbers and names are read by."""

# What it does not know is left out of the grammar, as `format` is that describes only; the spaces are those of most
# writers, as free ones lead small models to write nothing else.
_OPTIONS: Final = {
    "lenient": True, "coerce_one_of": True,
    "whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ",
}  # fmt: skip
# Divisors are counted out in states, as many as their common multiple; options are ours to set.
_LEFT_OUT = ("multipleOf", "x-guidance")
_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties")
# What follows is the grammar itself, line by line.
_REFUSAL: Final = re.compile(r"failed to compile JSON schema: (.*?)(?=\n *1 \||\Z)", re.DOTALL)
_LONGEST_REFUSAL = 200


def are_read() -> bool:
    """Returns whether the engine was built with the library that reads these grammars."""
    from xllamacpp import json_schema_to_grammar

    grammar: str = json_schema_to_grammar({})
    return grammar.startswith("%llguidance")


def grammar_of(schema: Mapping[str, Any]) -> str:
    """Returns a grammar whose answers meet a schema, but for what is left out of it.

    Raises:
        InvalidFields: the engine cannot hold an answer to it.
    """
    # Imported here, as the engine is: other engines do without it.
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
    """Takes out what would cost too much and can be left out. Raises InvalidFields for what cannot."""
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
