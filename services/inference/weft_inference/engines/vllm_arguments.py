"""vLLM's own arguments: what `[engine.vllm]` sets, checked against the fields of the installed version's dataclass.

The dataclass is a parameter, so nothing here imports vLLM. Its annotations say what a field takes. Where one cannot be
resolved, or is a class that vLLM itself converts to, vLLM checks the value.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import ErrorDetails

_ONLY_TEXT = "leave it out: this service generates text, and nothing else"
_TOKENIZED_HERE = "leave it out: Weft lays out prompts with the engine's tokenizer, and reads text"
_IN_OUR_QUEUE = "set WEFT_INFERENCE_QUEUE_LIMIT: requests wait in Weft's queue, which is fair and knows deadlines"
# What Weft sets itself, and what to do instead. A second value would make wrong what Weft tells its callers (model and
# window), what it admits (slots and queue) or how it reads answers (tokenizer and kind of model).
OURS: Final[Mapping[str, str]] = {
    "model": "set WEFT_INFERENCE_MODEL_PATH",
    "model_weights": "set WEFT_INFERENCE_MODEL_PATH",
    "served_model_name": "set WEFT_INFERENCE_MODEL",
    "max_model_len": "set WEFT_INFERENCE_CONTEXT_WINDOW",
    "max_num_seqs": "set WEFT_INFERENCE_SLOTS",
    "max_num_queued_reqs": _IN_OUR_QUEUE,
    "max_num_queued_tokens": _IN_OUR_QUEUE,
    "runner": _ONLY_TEXT,
    "convert": _ONLY_TEXT,
    "skip_tokenizer_init": _TOKENIZED_HERE,
    "tokens_only": _TOKENIZED_HERE,
    # Nothing here reads vLLM's counters.
    "disable_log_stats": "leave it out: this service counts generations itself (WEFT_INFERENCE_METRICS_LISTEN)",
}
_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    dict: "a table",
    list: "a list",
    set: "a list",
    tuple: "a list",
}


def checked(kind: type, table: Mapping[str, Any], place: str) -> tuple[dict[str, Any], list[str]]:
    """Returns the table's values as the dataclass `kind` takes them, and a line for each mistake, with its place."""
    known = {field.name: field for field in fields(kind) if not field.name.startswith("_")}
    values, problems = {}, []
    for name, value in table.items():
        where = f"{place}.{name}"
        if name not in known:
            problems.append(_unknown(where, name, known.keys() - OURS.keys()))
        elif name in OURS:
            problems.append(f"{where}: is set by Weft; {OURS[name]}")
        else:
            hint = _hint(kind, known[name])
            try:
                values[name] = _converted(hint, value)
            except ValidationError as error:
                problems += _sentences(where, hint, value, error)
    return values, problems


def built(kind: type, values: Mapping[str, Any]) -> Any:
    """Returns the dataclass with these values. Tables that it leaves as they are become the classes that it expects."""
    arguments = kind(**values)
    for field in fields(kind):
        left = getattr(arguments, field.name)
        if field.name in values and isinstance(left, dict) and (config := _config_class(_hint(kind, field))):
            setattr(arguments, field.name, TypeAdapter(config).validate_python(left))
    return arguments


def _hint(kind: type, field: Field[Any]) -> Any:
    """Returns what a field takes; Any if its annotation cannot be resolved here, or can only be checked by vLLM."""
    hint: Any = field.type
    if isinstance(hint, str):
        owner = next(one for one in kind.__mro__ if field.name in vars(one).get("__annotations__", {}))
        names = vars(sys.modules[owner.__module__])
        try:
            hint = get_type_hints(SimpleNamespace(__annotations__={"it": hint}), names, include_extras=True)["it"]
        except (NameError, TypeError):
            return Any
    # vLLM takes members of its enums by their names, pydantic by their values.
    if any(isinstance(part, type) and issubclass(part, Enum) for part in _parts(hint)):
        return Any
    try:
        TypeAdapter(hint)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return Any
    return hint


def _converted(hint: Any, value: Any) -> Any:
    """Returns the value, checked. Raises ValidationError if the hint does not allow it."""
    # TOML has types of its own, so "2" is no number; but it has neither sets, tuples nor classes.
    parts = list(_parts(hint))
    is_strict = not any(part in (set, tuple) or is_dataclass(part) for part in parts)
    checked = TypeAdapter(hint).validate_python(value, strict=is_strict)
    # Tables stay as they were written: vLLM makes its classes of them itself, some with more than their fields.
    return value if isinstance(value, dict) else checked


def _parts(hint: Any) -> Iterator[Any]:
    """Yields the types that the hint consists of, without their own parts."""
    if get_origin(hint) in (Literal, dict, list, type):
        yield get_origin(hint)
    elif get_args(hint):
        yield get_origin(hint)
        for part in get_args(hint):
            yield from _parts(part)
    else:
        yield hint


def _config_class(hint: Any) -> type | None:
    """Returns the dataclass that a table is for; None if it is for a plain dict or no table is taken."""
    return next((part for part in _parts(hint) if isinstance(part, type) and is_dataclass(part)), None)


def _sentences(where: str, hint: Any, value: Any, error: ValidationError) -> list[str]:
    """Returns a line for the value or, if it is a table with fields of its own, for each mistake in it."""
    config = _config_class(hint)
    if config and isinstance(value, dict):
        return [_sentence(where, config, one) for one in error.errors()]
    return [f"{where}: takes {takes(hint)}; found {value!r}"]


def _sentence(where: str, config: type, error: ErrorDetails) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden") and len(error["loc"]) == 1:
        names = [field.name for field in fields(config)]
        return _unknown(f"{where}{place}", str(error["loc"][0]), names)
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}{place}: {message[:1].lower()}{message[1:]}; found {error['input']!r}"


def _unknown(where: str, name: str, known: Collection[str]) -> str:
    (meant,) = get_close_matches(name, known, 1, 0.0)
    return f"{where}: the installed vLLM has no such argument; did you mean {meant}?"


def takes(hint: Any) -> str:
    """Returns a hint in words, as TOML names its types."""
    if get_origin(hint) is Literal:
        choices = (f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in get_args(hint))
        return f"one of {', '.join(choices)}"
    if get_origin(hint) in (Union, UnionType):
        # TOML has no word for None, classes or functions.
        parts = [part for part in get_args(hint) if part is not NoneType and get_origin(part) not in (type, Callable)]
        return " or ".join(map(takes, parts))
    word = _WORDS.get(get_origin(hint) or hint) or ("a table" if is_dataclass(hint) else str(hint))
    return f"{word}, each {takes(get_args(hint)[0])}" if word == "a list" and get_args(hint) else word
