"""A document's metadata as facts that filters can look up: a key and one typed value each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from weft_kit.rpc.errors import InvalidFields
from weft_kit.validation.fields import quoted, refuse
from weft_kit.validation.texts import number_problem, text_problem

KEY = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MAX_FACTS = 1024
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
    """Returns one fact per value; raises InvalidFields for keys and values that the contract does not allow."""
    count = sum(len(_listed(values)) or 1 for values in metadata.values())
    if count > MAX_FACTS:
        raise InvalidFields({"document.metadata": f"holds too many values; at most {MAX_FACTS} are kept"})
    refuse(_problems(metadata))
    return tuple(_fact(key, value) for key, values in metadata.items() for value in _listed(values))


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
        path = f"document.metadata[{quoted(key)}]"
        if not KEY.fullmatch(key):
            yield path, "a key must be 1 to 64 of [a-zA-Z0-9_-]"
        for value in _listed(values):
            if not isinstance(value, Scalar):
                yield (
                    path,
                    "must be text, a number, a truth value, or a list of them; leave the key out instead of null",
                )
            elif problem := _value_problem(value):
                yield path, problem


def _value_problem(value: Scalar) -> str:
    return text_problem(value) if isinstance(value, str) else number_problem(value)
