"""Arguments of calls are told as they came, wherever they were cut, and only so many of them."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.router.providers.tool_calls.pieces import DOOR, LAMP, LOOKUP, called, piece, read

from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.provider import ProviderError


@pytest.mark.parametrize(
    "pieces",
    [
        ('{"k": ', '{"k": 1}', "}"),
        ('{"k": [', '{"k": [0]}', "]}"),
        ("1", "12"),
        ('{"k": "', '{\\"k\\": ', '"}'),
    ],
)
def test_what_goes_on_as_it_began_is_not_taken_for_a_repetition(pieces: tuple[str, ...]) -> None:
    assert called(read([piece(index=0, name="f")], *([piece(one, index=0)] for one in pieces))) == [
        ("f", "".join(pieces))
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (None, "{}"),  # of a tool that takes none
        ("", "{}"),
        (" ", " {}"),
        ({"k": "door"}, '{"k":"door"}'),
        ([], "[]"),
        (5, "5"),
        ("null", "null"),
        (json.dumps(DOOR), DOOR),  # JSON put in JSON
        ('""', "{}"),
        ('"door"', '"door"'),
    ],
)
def test_arguments_are_told_as_the_json_that_they_are(arguments: Any, told: str) -> None:
    assert called(read([piece(arguments, index=0, name="lookup")])) == [("lookup", told)]


def test_a_call_that_ran_out_of_tokens_before_its_arguments_has_none() -> None:
    answer = ChatAnswer()
    delta = {"tool_calls": [piece("", index=0, name="lookup")]}
    answer.read(json.dumps({"choices": [{"delta": delta, "finish_reason": "length"}]}))
    answer.finish()
    assert (said := answer.take()) is not None
    assert said.tool_calls[0].arguments_json == ""


def test_json_put_in_json_is_read_also_in_pieces_but_not_held_for_ever() -> None:
    text = json.dumps(DOOR)
    pieces = [[piece(one, index=0)] for one in text]
    assert called(read([piece(index=0, name="lookup")], *pieces)) == [LOOKUP]

    endless = ['"', *(["x" * 1000] * 100)]
    [call] = read([piece(index=0, name="lookup")], *([piece(one, index=0)] for one in endless))
    assert call.arguments_json == "".join(endless)


def test_calls_without_end_that_are_never_named_are_given_up() -> None:
    answer = ChatAnswer()
    with pytest.raises(ProviderError, match="calls in one answer"):
        for number in range(10_000):
            answer.event({"choices": [{"delta": {"tool_calls": [{"index": number}]}}]})


def test_what_cannot_be_joined_is_not_made_whole() -> None:
    """It is told as it came, so that the answer fails: no tail is cut off, and no brace added."""
    assert called(read([piece(DOOR + "<|eot_id|>", index=0, name="f")])) == [("f", DOOR + "<|eot_id|>")]
    assert called(read([piece(DOOR, index=0, name="f")], [piece(LAMP, index=0)])) == [("f", DOOR + LAMP)]
    assert called(read([piece(DOOR, index=0)])) == [("", DOOR)]


@given(st.text(st.sampled_from('ab"\\{}[]😀'), max_size=30), st.lists(st.integers(0, 80), max_size=6))
def test_wherever_arguments_are_cut_they_are_one_call_and_what_follows_is_another(key: str, cuts: list[int]) -> None:
    arguments = json.dumps({key: [key, {}]}, ensure_ascii=False)
    edges = sorted({0, len(arguments), *(cut for cut in cuts if cut < len(arguments))})
    pieces = [arguments[start:end] for start, end in pairwise(edges)]
    chunks = [[piece(pieces[0], index=0, name="f")], *([piece(one, index=0)] for one in pieces[1:])]

    assert called(read(*chunks, [piece(DOOR, index=0, name="f")])) == [("f", arguments), ("f", DOOR)]
