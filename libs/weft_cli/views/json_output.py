"""Shows records to programs, as the JSON form of the messages."""

import json
import sys
from collections.abc import Iterable, Sequence

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from weft_client.batches import Outcome
from weft_kit.rpc.errors import WeftError


def print_json(value: Message | Iterable[Message] | Sequence[object] | dict[str, object]) -> None:
    """Writes a message, or a list of them, to stdout as one JSON document."""
    _write_json(value, indent=2)


def print_json_line(message: Message) -> None:
    """Writes a message to stdout as one line of JSON, at once, for programs that follow the output."""
    _write_json(message, indent=None)
    sys.stdout.flush()


def outcome_json(line: int, outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, WeftError):
        return {"line": line, "error": {"reason": outcome.reason_name, "message": outcome.message}}
    return {"line": line, "job": _plain(outcome)}


def _write_json(value: object, indent: int | None) -> None:
    escaped = sys.stdout.encoding.lower() not in {"utf-8", "utf8"}
    json.dump(_plain(value), sys.stdout, indent=indent, ensure_ascii=escaped)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return MessageToDict(value, preserving_proto_field_name=True)
    if isinstance(value, dict):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
