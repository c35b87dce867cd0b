"""A document's metadata as facts that filters can look up: a key and one typed value each."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from weft_kit.errors import InvalidFields

KEY = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_FACTS = 1024
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")

Scalar = str | float | bool
Metadata = Mapping[str, Scalar | list[Scalar]]


@dataclass(frozen=True, slots=True)
class Fact:
    """One value under one key; exactly one of text, number and flag is set. Text that is a time has `time` as well."""

    key: str
    text: str | None = None
    number: float | None = None
    flag: bool | None = None
    time: datetime | None = None


def facts(metadata: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Returns a fact a value; raises InvalidFields for keys and values the contract does not allow."""
    problems = dict(_problems(metadata))
    if problems:
        raise InvalidFields(problems)
    found = tuple(_fact(key, value) for key, values in metadata.items() for value in _listed(values))
    if len(found) > _MAX_FACTS:
        raise InvalidFields({"document.metadata": f"holds {len(found)} values; at most {_MAX_FACTS} are kept"})
    return found


def point_in_time(text: str) -> datetime | None:
    """Reads RFC 3339, to the microsecond; None when the text is something else."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fact(key: str, value: Scalar) -> Fact:
    if isinstance(value, bool):
        return Fact(key, flag=value)
    if isinstance(value, str):
        return Fact(key, text=value, time=point_in_time(value))
    return Fact(key, number=value)


def _problems(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, values in metadata.items():
        path = f"document.metadata[{key!r}]"
        if not KEY.fullmatch(key):
            yield path, "a key must be 1 to 64 of [a-zA-Z0-9_-]"
        for value in _listed(values):
            if not isinstance(value, Scalar):
                yield (
                    path,
                    "must be text, a number, a truth value, or a list of them; leave the key out instead of null",
                )
            elif isinstance(value, str) and "\x00" in value:
                yield path, "must not contain NUL"
            elif isinstance(value, float) and not math.isfinite(value):
                yield path, "must be finite"
