"""Checks whether an answer has the format that its request asks for: JSON that satisfies the schema.

The text is checked as it is: JSON inside a Markdown fence is not JSON, and a provider that enforces a format writes no
fence. If a name occurs twice in an object the last value counts, as in most parsers.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

from jsonschema import ValidationError

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.validation.json_values import shown, shown_pointer
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.validation.json_schema import TooCostly, violations

_LIMIT_S = 2.0
"""Longest check of one answer against its schema, in CPU seconds of the thread."""

_MOST_VIOLATIONS = 3
_LONGEST_DEMAND = 160

# Separate threads, so that long checks delay only other checks: the event loop's threads also look up addresses.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="response-format")

_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
# Outside strings JSON has no words but true, false and null; Python also reads these.
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class FormatFault:
    """How a text violates its format: `what` completes "the answer …", with the place in the document."""

    what: str
    is_syntax: bool = False
    """Whether the text is not JSON at all."""
    is_untold: bool = False
    """Whether the check only ran out of time."""


class _NoConstant(ValueError):
    """A constant that Python reads but JSON does not have."""


def must_have_form(said: AnswerSoFar, end: inference_pb2.Finished) -> bool:
    """Returns whether a complete answer must have the requested format.

    Tool calls need not. Nor does an answer that a provider withheld: its finish reason says that it is not the answer.
    """
    return not said.tool_calls and end.finish_reason != chat_pb2.FINISH_REASON_CONTENT_FILTER


async def find_fault(wanted: chat_pb2.ResponseFormat, text: str) -> FormatFault | None:
    """Returns how a text violates a format, checked in a thread; None if it does not."""
    if wanted.WhichOneof("format") is None:
        return None
    return await asyncio.get_running_loop().run_in_executor(_threads, fault_of, wanted, text)


def fault_of(wanted: chat_pb2.ResponseFormat, text: str, limit_s: float = _LIMIT_S) -> FormatFault | None:
    """Returns how a text violates a format, or that `limit_s` CPU seconds were too few; None if it does not."""
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
        if wanted.HasField("json_object"):
            return None if isinstance(document, dict) else FormatFault(f"is {_kind(document)}, not a JSON object")
        found = list(islice(violations(wanted.json_schema.schema_json, document, limit_s), _MOST_VIOLATIONS + 1))
    except ValueError as error:
        return _no_json(text, error)
    except RecursionError:
        return FormatFault("is nested too deep to be read")
    except TooCostly as reached:
        return FormatFault(f"could not be held against its schema within {reached}", is_untold=True)
    return FormatFault(f"is off its JSON schema: {_listed(found)}") if found else None


def failure(fault: FormatFault, end: inference_pb2.Finished, *, is_last: bool) -> ProviderError:
    """Returns the failure of an answer that violates its format; `is_last` if no more such answers are allowed."""
    message, remedy = f"the answer {fault.what}", Remedy.NOTHING
    if fault.is_syntax and end.finish_reason == chat_pb2.FINISH_REASON_LENGTH:
        message = f"the answer reached max_tokens inside the document; allow it more tokens ({message})"
    elif fault.is_untold:
        message += "; ask with a simpler schema, or for a smaller document"
    else:
        message += "; say in the prompt what is wanted, or name a model whose provider enforces the form"
        remedy = Remedy.NOTHING if is_last else Remedy.ANOTHER_TRY
    return ProviderError(error_pb2.ERROR_REASON_ANSWER_INVALID, message, remedy)


def _no_json(text: str, error: ValueError) -> FormatFault:
    if not text.strip():
        return FormatFault("is empty, not JSON", is_syntax=True)
    if isinstance(error, _NoConstant):
        error = json.JSONDecodeError(f"there is no {error} in JSON", text, _place_of_constant(text))
    if not isinstance(error, json.JSONDecodeError):
        return FormatFault("holds a number of too many digits to be read")
    place = f"line {error.lineno}, column {error.colno} (offset {error.pos})"
    why = (error.msg[0].lower() + error.msg[1:]).removesuffix(" at").removesuffix(" starting")
    fence = "; it stands in a Markdown fence" if text.lstrip().startswith("```") else ""
    return FormatFault(f"is not JSON at {place}: {why}{fence}", is_syntax=True)


def _refuse_constant(name: str) -> NoReturn:
    raise _NoConstant(name)


def _place_of_constant(text: str) -> int:
    return next(found.start() for found in _CONSTANT.finditer(text) if found[1])


def _listed(found: Sequence[ValidationError]) -> str:
    more = "; and more" if len(found) > _MOST_VIOLATIONS else ""
    return "; ".join(map(_described, found[:_MOST_VIOLATIONS])) + more


def _described(error: ValidationError) -> str:
    """Returns a violation and its place in a few words; the library's own message quotes the whole value."""
    demand, instance = shown(error.validator_value, _LONGEST_DEMAND), error.instance
    match error.validator:
        case "type":
            said = f"must be of type {demand}, is {_kind(instance)}"
        case "required" if isinstance(error.validator_value, list) and isinstance(instance, dict):
            missing = [name for name in error.validator_value if name not in instance]
            said = f"lacks {shown(missing, _LONGEST_DEMAND)}"
        case "additionalProperties" | None:
            said = "is not allowed"
        case "anyOf" | "oneOf" if error.context:
            said = f"meets none of {error.validator}"
        case "allOf" | "anyOf" | "oneOf" | "not" | "if" | "contains" | "unevaluatedProperties" | "unevaluatedItems":
            said = f"does not meet {error.validator}"
        case keyword:
            said = f"does not meet {keyword} {demand}"
    return f"{shown_pointer(error.absolute_path)}: {said}"


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")
