"""Halves of a character, as JSON may tell one beyond U+FFFF, are joined or replaced."""

import json
from typing import Any

import pytest
from tests.router.events import (
    DONE,
    FORMATS,
    STOP,
    body,
    choice,
)
from tests.router.recorded import read

from weft.job.v1 import event_pb2
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.stream_reader import StreamReader

# Halves of a character: RFC 8259, section 8.2; https://github.com/elizaOS/eliza/issues/30904
HALVES = {
    "in two events": ([r"a\ud83d", r"\ude00b"], "a😀b"),
    "with a ping between": ([r"a\ud83d", "", r"\ude00b"], "a😀b"),
    "in one": ([r"a\ud83d\ude00b"], "a😀b"),
    "two in a row": ([r"\ud83d", r"\ude00\ud83d", r"\ude01"], "😀😁"),
    "the first alone": ([r"a\ud83d", "b"], "a\ufffdb"),
    "the second alone": (["a", r"\ude00b"], "a\ufffdb"),
    "the wrong way round": ([r"\ude00\ud83d", "."], "\ufffd\ufffd."),
    "at the very end": (["a", r"\ud83d"], "a\ufffd"),
    "nothing else": ([r"\ud83d"], "\ufffd"),
    "as what they are not": ([r"a\\ud83d", r"\\ude00b"], r"a\ud83d\ude00b"),
}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("texts", "whole"), HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("kind", FORMATS)
def test_halves_of_a_character_are_joined_and_what_is_alone_is_replaced(
    kind: str, texts: list[str], whole: str, *, at_once: bool
) -> None:
    reader, says, ends = FORMATS[kind]
    events = [json.dumps(event).replace("TEXT", text) for text in texts for event in says("TEXT")]
    pieces = [body(*events, *ends)] if at_once else [body(each) for each in (*events, *ends)]
    found = read(reader(), pieces)

    assert found.said.text == whole
    assert found.said.text.encode()


def test_no_step_says_nothing() -> None:
    reading = StreamReader(ChatAnswer())
    events = [choice({"content": "HALF"}), STOP]
    sent = b"".join(body(json.dumps(each).replace("HALF", r"\ud83d")) for each in events)

    assert list(reading.read(sent)) == []
    [said, finished] = reading.read(body(DONE))
    assert said == event_pb2.Delta(text="\ufffd", token_count=1)
    assert finished != said


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10_000])
def test_halves_that_come_as_bytes_are_joined(size: int) -> None:
    """https://www.unicode.org/reports/tr26/: what writes surrogates as UTF-8 one by one"""
    raw = [choice({"content": "HALF"}) for _ in range(3)]
    halves = [b"a\xed\xa0\xbd", b"\xed\xb8\x80\xed\xa0\xbd", b"\xed\xb8\x81\xed\xa0\xbd"]
    sent = b"".join(body(each).replace(b"HALF", half) for each, half in zip(raw, halves, strict=True))
    sent += body(STOP, DONE)
    found = read(ChatAnswer(), (sent[at : at + size] for at in range(0, len(sent), size)))

    assert found.said.text == "a😀😁\ufffd"


def test_halves_in_reasoning_and_arguments_are_joined_apart() -> None:
    def call(arguments: str) -> dict[str, Any]:
        return choice({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": arguments}}]})

    events = [
        choice({"reasoning": r"H\ud83d"}),
        call(r'{"a":"\ud83d'),
        choice({"content": r"T\ud83d"}),
        choice({"reasoning": r"\ude00"}),
        call(r'\ude01"}'),
        choice({"content": r"\ude02"}),
    ]
    pieces = [body(json.dumps(each).replace(r"\\u", r"\u")) for each in events]
    found = read(ChatAnswer(), [*pieces, body(STOP, DONE)])

    assert (found.said.reasoning, found.said.text) == ("H😀", "T😂")
    assert [each.arguments_json for each in found.said.tool_calls] == ['{"a":"😁"}']
