"""Reads the inputs of `weft ask`: the prompt, a conversation, a schema, tools, pictures and labels."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_cli.commands.path_arguments import any_path
from weft_cli.errors import CommandFailed, CommandMisused
from weft_client.chat_json import messages, read_list, said_by, tools
from weft_client.images import Picture
from weft_client.requests import ChatOptions, chat


def read_prompt(given: str, what: str = "question") -> str:
    """Returns a text as given, from stdin (`-`), or from a file (`@PATH`)."""
    if given != "-" and not given.startswith("@"):
        return given
    if given == "@":
        raise CommandMisused(f"@ goes before the name of a file, as in @{what}.txt")
    where, text = ("stdin", read_stdin()) if given == "-" else (given[1:], read_text(any_path(given[1:])))
    if not text.strip():
        raise CommandFailed(f"there is no {what} in {where}: it is empty")
    return text


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{path} is no text in UTF-8") from None


def read_history(path: Path, *, may_be_new: bool = False) -> list[chat_pb2.Message]:
    """Returns the conversation in a file of messages: a JSON list, or one per line."""
    if may_be_new and not path.exists():
        return []
    try:
        return messages(read_list(read_text(path)))
    except ValueError as wrong:
        raise CommandFailed(f"{path} is no conversation: {wrong}") from None


def append_turn(path: Path, request: job_pb2.GenerationRequest, answer: job_pb2.Answer) -> None:
    """Appends the last question and its answer to a conversation's file, one message per line."""
    said = chat_pb2.Message(
        role=chat_pb2.ROLE_ASSISTANT, parts=[chat_pb2.ContentPart(text=answer.text)], tool_calls=answer.tool_calls
    )
    turn = [json.dumps(said_by(message), ensure_ascii=False) for message in (request.messages[-1], said)]
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(turn) + "\n")
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}; the answer is not in it") from None


def check_may_grow(path: Path) -> None:
    """Refuses, before anything is sent, a conversation file to which no line can be appended."""
    if path.exists() and read_text(path).lstrip().startswith("["):
        raise CommandFailed(f"{path} is a JSON list, to which nothing is added: keep one message a line")


def read_tools(path: Path) -> list[chat_pb2.Tool]:
    """Returns the tools in a file: a JSON list, or one per line."""
    try:
        return tools(read_list(read_text(path)))
    except ValueError as wrong:
        raise CommandFailed(f"{path} holds no tools: {wrong}") from None


def read_schema(path: Path) -> Mapping[str, Any]:
    """Returns the JSON Schema in a file."""
    try:
        schema = json.loads(read_text(path))
    except ValueError as wrong:
        raise CommandFailed(f"{path} is no JSON: {wrong}") from None
    if not isinstance(schema, dict):
        raise CommandFailed(f"{path} is no JSON Schema: it is no JSON object")
    return schema


def pictures(named: Iterable[str]) -> list[Picture]:
    return [name if "://" in name else any_path(name) for name in named]


def labels(pairs: Iterable[str]) -> dict[str, str]:
    """Returns labels given as key=value, each key once."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise CommandMisused(f"a label is key=value; it is {pair}")
        if key in found:
            raise CommandMisused(f"the label {key} is given twice: {found[key]} and {value}")
        found[key] = value
    return found


def build(prompt: str, options: ChatOptions) -> job_pb2.GenerationRequest:
    try:
        return chat(prompt, **options)
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandFailed(str(error)) from None


def read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise CommandFailed("stdin is no text in UTF-8") from None
