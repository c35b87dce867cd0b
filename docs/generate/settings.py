"""docs/reference/settings.md: every variable that a service reads, from its `Config`."""

import dataclasses
from collections.abc import Iterable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from docs.generate.docstrings import field_docstrings
from docs.generate.page import code, number, page_of, plain, prose, rows_under
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from weft_kit.config.secrets import is_secret
from weft_kit.config.settings import Settings

SERVICES: Final = ("gateway", "router", "retrieval", "inference", "cache")
_HEAD: Final = ("Variable", "Type", "Default", "Meaning")
_LEAD: Final = """Each service reads its settings once, from the environment, and refuses to start when one is
mistyped or out of range. A setting of type "secret" can also be in a file: `NAME_FILE` names it. Settings whose
names end in `_s` are in seconds."""
_SIGNS: Final = ((Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤"), (Lt, "lt", "<"))
_TYPES: Final = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", SecretStr: "text"}


def page() -> str:
    """Returns the page."""
    shared = ["## Every service", "", "`<SERVICE>` is GATEWAY, ROUTER, RETRIEVAL, INFERENCE or CACHE.", ""]
    shared += rows_under(_HEAD, (_row(Settings, name, "WEFT_<SERVICE>_") for name in _shared()))
    return page_of("Settings", _LEAD, shared, *map(_of_service, SERVICES), *_logs())


def config_of(service: str) -> type[Settings]:
    """Returns the class that a service reads its settings into."""
    kind: type[Settings] = import_module(f"weft_{service}.config").Config
    return kind


def _shared() -> list[str]:
    """Returns the settings that every service has; where it listens is told with its default."""
    return [name for name in Settings.model_fields if name != "listen"]


def _of_service(service: str) -> list[str]:
    config = config_of(service)
    prefix = f"WEFT_{service.upper()}_"
    own = [name for name in config.model_fields if name not in _shared()]
    return [f"## {service}", "", *rows_under(_HEAD, (_row(config, name, prefix) for name in own))]


def _row(config: type[Settings], name: str, prefix: str) -> tuple[str, ...]:
    field = config.model_fields[name]
    variable = str(field.validation_alias or f"{prefix}{name}".upper())
    meaning = field_docstrings(config).get(name, "")
    return code(variable), _type(field), _default(name, field), plain(meaning)


def _type(field: FieldInfo) -> str:
    secret = "secret " if is_secret(field) else ""
    return f"{secret}{_kind(field.annotation)}{_bounds(field.metadata)}"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(code(str(value)) for value in get_args(annotation))
    inner = [one for one in get_args(annotation) if one is not NoneType]
    if inner:
        return _kind(inner[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(str(one.value)) for one in annotation)
    return "JSON" if dataclasses.is_dataclass(annotation) else _TYPES[annotation]


def _bounds(metadata: Iterable[object]) -> str:
    found = [
        f"{sign} {number(getattr(one, name))}" for one in metadata for kind, name, sign in _SIGNS if type(one) is kind
    ]
    return f", {' and '.join(found)}" if found else ""


def _default(name: str, field: FieldInfo) -> str:
    if field.default_factory:
        return "depends on the machine"
    if field.is_required():
        return "required"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if dataclasses.is_dataclass(value):
        return f"see [{type(value).__name__}](#{type(value).__name__.lower()})"
    return _shown(name, value)


def _shown(name: str, value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, int | float):
        return code(number(value)) + (_readable_bytes(value) if "bytes" in name else "")
    return code(str(value.value if isinstance(value, Enum) else value))


def _readable_bytes(value: float) -> str:
    for size, unit in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if value and value % size == 0:
            return f" ({number(value / size)} {unit})"
    return ""


def _logs() -> Iterator[list[str]]:
    """Yields what the settings of type JSON hold."""
    fields = (field for service in SERVICES for field in config_of(service).model_fields.values())
    kinds: set[type[Any]] = {type(field.default) for field in fields if dataclasses.is_dataclass(field.default)}
    for kind in sorted(kinds, key=lambda one: (len(one.mro()), one.__name__)):
        meanings, types = field_docstrings(kind), get_type_hints(kind)
        rows = [
            (
                code(field.name),
                _kind(types[field.name]),
                _shown(field.name, field.default),
                meanings.get(field.name, ""),
            )
            for field in dataclasses.fields(kind)
        ]
        about = prose(" ".join((kind.__doc__ or "").split()))
        yield [f"## {kind.__name__}", "", *about, *rows_under(("Field", *_HEAD[1:]), rows)]
