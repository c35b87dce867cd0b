"""Texts and numbers that every service can store: PostgreSQL stores no NUL, JSON no infinity.

Protobuf itself refuses half surrogates. JSON inside a text may escape them, and NUL: `json_values` checks that.
"""

import math


def text_problem(text: str) -> str:
    """Returns what is wrong with a text; "" if nothing is."""
    return "must not contain NUL (U+0000)" if "\0" in text else ""


def number_problem(number: float) -> str:
    """Returns what is wrong with a number; "" if nothing is."""
    return "" if math.isfinite(number) else f"must be a finite number, is {number:g}"
