"""Environment variables in a catalog: `${NAME}` and `${NAME:-default}` in any text, and those of `api_key_env`."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

# A default has a limited length, so that a text is not read to its end at every `${`.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*+)(?::-(?P<default>[^}]{0,4096}+))?\}")


def interpolated(value: Any, environ: Mapping[str, str], unset: dict[str, str], place: str = "") -> Any:
    """Returns a copy with the variables in every text replaced; those not set are added to `unset`, by place."""
    match value:
        case dict():
            return {
                key: interpolated(item, environ, unset, f"{place}.{key}" if place else key)
                for key, item in value.items()
            }
        case list():
            return [interpolated(item, environ, unset, f"{place}[{i}]") for i, item in enumerate(value)]
        case str():
            return _VARIABLE.sub(partial(_replacement, environ=environ, place=place, unset=unset), value)
    return value


def variables_named(path: Path) -> frozenset[str]:
    """Returns the variables that the catalog at `path` takes texts and keys from; none if it cannot be read."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(_named(raw))


def _replacement(found: re.Match[str], *, environ: Mapping[str, str], place: str, unset: dict[str, str]) -> str:
    name, default = found["name"], found["default"]
    if default is not None:
        return environ.get(name) or default
    if name not in environ:
        unset[place] = f"{place}: {name} is not set; set it or write ${{{name}:-a default}}"
    return environ.get(name, "")


def _named(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                yield from (item,) if key == "api_key_env" and isinstance(item, str) else _named(item)
        case list():
            for item in value:
                yield from _named(item)
        case str():
            yield from (found["name"] for found in _VARIABLE.finditer(value))
