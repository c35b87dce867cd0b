"""Tool calls of chat completions, as the many servers tell them, joined into those that the model made."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.common.v1 import chat_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.provider import ProviderError

DOOR = '{"k": "door"}'
LAMP = '{"k": "lamp"}'
LOOKUP = ("lookup", DOOR)


def piece(arguments: Any = "", *, name: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name is not None else {})
    return {"type": "function", "function": function} | fields


def read(*chunks: Sequence[dict[str, Any]], tools: Sequence[str] = ()) -> list[chat_pb2.ToolCall]:
    """Each chunk holds pieces of calls."""
    return joined([{"tool_calls": list(chunk)} for chunk in chunks], tools)


def joined(deltas: Sequence[dict[str, Any]], tools: Sequence[str] = ()) -> list[chat_pb2.ToolCall]:
    answer, said = ChatAnswer(tools), AnswerSoFar()
    for delta in deltas:
        answer.read(json.dumps({"id": "x1", "choices": [{"index": 0, "delta": delta}]}))
        if news := answer.take():
            said.add(news)
    answer.read(json.dumps({"id": "x1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}))
    answer.finish()
    if news := answer.take():
        said.add(news)
    return said.tool_calls


def called(calls: Sequence[chat_pb2.ToolCall]) -> list[tuple[str, str]]:
    return [(call.name, call.arguments_json) for call in calls]


ONE = {
    # poolsideai/pool#9, spring-projects/spring-ai#6000
    "another id with each piece": [
        [piece(index=0, id="a", name="lookup")],
        [piece('{"k": ', index=0, id="b")],
        [piece('"door"}', index=0, id="c")],
    ],
    "another id and the name with each piece": [
        [piece(index=0, id="a", name="lookup")],
        [piece('{"k": ', index=0, id="b", name="lookup")],
        [piece('"door"}', index=0, id="c", name="lookup")],
        [piece(index=0, id="d", name="lookup")],
    ],
    # SillyTavern/SillyTavern#5948 (Fireworks), NousResearch/hermes-agent#8259 (MiniMax)
    "id and name with each piece": [
        [piece(index=0, id="a", name="lookup")],
        [piece('{"k": ', index=0, id="a", name="lookup")],
        [piece('"door"}', index=0, id="a", name="lookup")],
        [piece(index=0, id="a", name="lookup")],
    ],
    "the name with each piece, and no id": [
        [piece('{"k": ', index=0, name="lookup")],
        [piece('"door"}', index=0, name="lookup")],
        [piece("", index=0, name="lookup")],
    ],
    "an empty id and name later": [
        [piece(index=0, id="a", name="lookup")],
        [piece('{"k": ', index=0, id="", name="")],
        [piece('"door"}', index=0, id=None)],
    ],
    # QwenLM/Qwen-Agent#943
    "its id later": [[piece(index=0, name="lookup")], [piece(DOOR, index=0, id="a")]],
    "its name later": [[piece(index=0, id="a", name="")], [piece(index=0, name="lookup")], [piece(DOOR, index=0)]],
    # continuedev/continue#5849 (Gemini), ankit373/hydra#958 (LM Studio)
    "its name in pieces": [
        [piece(index=0, id="a", name="loo")],
        [piece(index=0, id="a", name="kup")],
        [piece(DOOR, index=0)],
    ],
    "its name in pieces that grow": [
        [piece(index=0, id="a", name="loo")],
        [piece(index=0, id="a", name="lookup")],
        [piece(DOOR, index=0)],
    ],
    # vercel/ai#3953 (vLLM)
    "an empty piece at the end": [[piece(DOOR, index=0, id="a", name="lookup")], [piece("", index=0)]],
    # lidge-jun/opencodex#361
    "its arguments twice": [[piece(index=0, id="a", name="lookup")], [piece(DOOR, index=0)], [piece(DOOR, index=0)]],
    # elizaOS/eliza#16973
    "all of it again at the end": [
        [piece(index=0, id="a", name="lookup")],
        [piece('{"k": ', index=0)],
        [piece('"door"}', index=0)],
        [piece('{"k":"door"}', index=0, id="a", name="lookup")],
    ],
    "all of it again without its id": [
        [piece(DOOR, index=0, id="a", name="lookup")],
        [piece(DOOR, index=0, name="lookup")],
    ],
    # ogx-ai/ogx#5462: null first; and an empty object that holds the place
    "null first": [[piece(None, index=0, id="a", name="lookup")], [piece(DOOR, index=0)]],
    "an empty object first": [[piece({}, index=0, id="a", name="lookup")], [piece(DOOR, index=0)]],
    "an empty object first, and id and name again": [
        [piece({}, index=0, id="a", name="lookup")],
        [piece(json.loads(DOOR), index=0, id="a", name="lookup")],
    ],
    "an empty object as text first": [[piece("{}", index=0, id="a", name="lookup")], [piece('{"k": "door"', index=0)],
                                      [piece("}", index=0)]],
    # NousResearch/hermes-agent#35718 (DeepSeek, Qianfan), decolua/9router#2869: all so far with each piece
    "all so far with each piece": [
        [piece('{"k"', index=0, id="a", name="lookup")],
        [piece('{"k": ', index=0)],
        [piece('{"k": "do', index=0)],
        [piece('{"k": "do', index=0)],
        [piece(DOOR, index=0)],
        [piece(DOOR, index=0)],
    ],
    "all so far with each piece, id and name too": [
        [piece('{"k": "d', index=0, id="a", name="lookup")],
        [piece(DOOR, index=0, id="a", name="lookup")],
    ],
    "nothing until the end": [[piece(index=0, id="a", name="lookup")], [piece(index=0)], [], [piece(DOOR, index=0)]],
    "a number that is text": [[piece(index="0", id="a", name="lookup")], [piece(DOOR, index=0.0)]],
    "a number that moves on": [[piece(index=0, id="a", name="lookup")], [piece(DOOR, index=1)]],
    "no number and no id": [[piece(name="lookup")], [piece('{"k": ')], [piece('"door"}')]],
    # ollama/ollama#7881
    "no number": [[piece(id="a", name="lookup")], [piece(DOOR, id="a")]],
    "an escape cut in two": [[piece('{"k": "do\\u006f', index=0, name="lookup")], [piece('r"}', index=0)]],
}  # fmt: skip


@pytest.mark.parametrize("how", ONE)
def test_one_call_stays_one_however_it_is_told(how: str) -> None:
    [call] = read(*ONE[how], tools=["lookup"])
    assert (call.name, json.loads(call.arguments_json)) == ("lookup", {"k": "door"})
    assert call.id


TWO = {
    # ollama/ollama#15457, ai-dynamo/dynamo#4723, BerriAI/litellm by huggingface/smolagents#1958
    "index 0 for all, without ids": [[piece(DOOR, index=0, name="lookup")], [piece(LAMP, index=0, name="lookup")]],
    "index 0 for all, without ids, in pieces": [
        [piece(index=0, name="lookup")],
        [piece('{"k": ', index=0)],
        [piece('"door"}', index=0)],
        [piece(index=0, name="lookup")],
        [piece('{"k": ', index=0)],
        [piece('"lamp"}', index=0)],
    ],
    "index 0 for all, with ids, in pieces": [
        [piece(index=0, id="a", name="lookup")],
        [piece(DOOR, index=0)],
        [piece(index=0, id="b", name="lookup")],
        [piece(LAMP, index=0)],
    ],
    "both in one chunk": [[piece(DOOR, index=0, name="lookup"), piece(LAMP, index=0, name="lookup")]],
    "both in one chunk, without numbers": [[piece(DOOR, id="a", name="lookup"), piece(LAMP, id="b", name="lookup")]],
    "without numbers, in turns": [
        [piece(id="a", name="lookup"), piece(id="b", name="lookup")],
        [piece('{"k": ', id="a"), piece('{"k": ', id="b")],
        [piece('"door"}', id="a"), piece('"lamp"}', id="b")],
    ],
    # maximhq/bifrost#1829
    "in turns": [
        [piece(index=0, id="a", name="lookup"), piece(index=1, id="b", name="lookup")],
        [piece('{"k": ', index=1), piece('{"k": ', index=0)],
        [piece('"door"}', index=0), piece('"lamp"}', index=1)],
    ],
    "numbers from 1, with gaps": [
        [piece(index=1, id="a", name="lookup")],
        [piece(DOOR, index=1)],
        [piece(index=5, id="b", name="lookup")],
        [piece(LAMP, index=5)],
    ],
    # skye-harris/hass_local_openai_llm#92 (OpenRouter): index and id of all are the same
    "the same id for both": [
        [piece(DOOR, index=0, id="a", name="lookup")],
        [piece(LAMP, index=0, id="a", name="lookup")],
    ],
    "the same id for both, by number": [
        [piece(index=0, id="a", name="lookup")],
        [piece(DOOR, index=0)],
        [piece(index=1, id="a", name="lookup")],
        [piece(LAMP, index=1)],
    ],
    "all of both again at the end": [
        [piece(DOOR, index=0, id="a", name="lookup")],
        [piece(LAMP, index=1, id="b", name="lookup")],
        [piece(DOOR, index=0, id="a", name="lookup"), piece(LAMP, index=1, id="b", name="lookup")],
    ],
    "all of both again without ids": [
        [piece(DOOR, index=0, name="lookup")],
        [piece(LAMP, index=1, name="lookup")],
        [piece(DOOR, index=0, name="lookup"), piece(LAMP, index=1, name="lookup")],
    ],
    "all so far with each piece": [
        [piece('{"k": "d', index=0, id="a", name="lookup")],
        [piece(DOOR, index=0)],
        [piece('{"k": "l', index=1, id="b", name="lookup")],
        [piece(LAMP, index=1)],
    ],
    # agno-agi/agno#8879: the second begins under the first one's number
    "a number that moves on inside the second": [
        [piece(DOOR, index=0, id="a", name="lookup")],
        [piece('{"k": "la', index=0, id="b", name="lookup")],
        [piece('mp"}', index=1)],
    ],
    # ar-jan/llm-venice#45: arguments as the object that they stand for
    "arguments as objects": [
        [piece(json.loads(DOOR), index=0, name="lookup"), piece(json.loads(LAMP), index=1, name="lookup")]
    ],
    "without a function around it": [
        [{"id": "a", "name": "lookup", "arguments": DOOR}],
        [{"id": "b", "name": "lookup", "arguments": LAMP}],
    ],
}  # fmt: skip


@pytest.mark.parametrize("how", TWO)
@pytest.mark.parametrize("tools", [["lookup"], []])
def test_two_calls_stay_two_however_they_are_told(how: str, tools: list[str]) -> None:
    calls = read(*TWO[how], tools=tools)
    assert [(call.name, json.loads(call.arguments_json)) for call in calls] == [
        ("lookup", {"k": "door"}),
        ("lookup", {"k": "lamp"}),
    ]
    assert len({call.id for call in calls}) == 2


def test_equal_calls_without_ids_are_each_a_call() -> None:
    """run-llama/llama_index#23032: rolling a die twice."""
    assert called(read([piece("{}", index=0, name="roll")], [piece("{}", index=0, name="roll")])) == [
        ("roll", "{}"),
        ("roll", "{}"),
    ]


def test_another_tools_name_begins_another_call_also_after_one_without_arguments() -> None:
    calls = read([piece(index=0, name="time")], [piece(index=0, name="lookup")], [piece(DOOR, index=0)])
    assert called(calls) == [("time", "{}"), LOOKUP]


def test_the_call_of_a_function_from_before_there_were_tools_is_one() -> None:
    """platform.openai.com/docs/api-reference/chat/streaming: `function_call`, deprecated."""
    pieces = [{"name": "lookup", "arguments": ""}, {"arguments": '{"k": '}, {"arguments": '"door"}'}]
    assert called(joined([{"function_call": one} for one in pieces])) == [LOOKUP]


def test_a_list_of_one_call_may_be_the_call_itself() -> None:
    assert called(joined([{"tool_calls": piece(DOOR, name="lookup")}])) == [LOOKUP]


def test_calls_that_stand_only_in_the_message_at_the_end_are_read() -> None:
    """Proxies of answers that were not streamed end with one chunk, that of platform.openai.com's chat completion."""
    answer = ChatAnswer()
    choice = {"delta": {}, "message": {"tool_calls": [piece(DOOR, name="lookup")]}, "finish_reason": "tool_calls"}
    answer.read(json.dumps({"choices": [choice]}))
    said = answer.take()
    assert said is not None
    assert [(call.name, call.arguments_json) for call in said.tool_calls] == [LOOKUP]


@pytest.mark.parametrize("ends_before", [True, False])
@pytest.mark.parametrize("begun", [[], [piece(index=0, id="a", name="lookup")], [piece("{}", index=0, name="lookup")]])
def test_what_was_not_told_of_calls_stands_in_the_message_at_the_end(
    begun: list[dict[str, Any]], *, ends_before: bool
) -> None:
    """BerriAI/litellm#12616 tells of such streams: empty deltas, and all of it in the message that ends them."""
    message = {"content": "Hm.", "tool_calls": [piece(DOOR, id="a", name="lookup")]}
    end = {"delta": {}, "finish_reason": "tool_calls"}
    last = [end, {"message": message}] if ends_before else [end | {"message": message}]
    answer, said = ChatAnswer(), AnswerSoFar()
    for choice in ({"delta": {"content": "Hm."}}, {"delta": {"tool_calls": begun}}, *last):
        answer.read(json.dumps({"choices": [choice]}))
    answer.finish()
    news = answer.take()
    assert news is not None
    said.add(news)

    assert (said.text, called(said.tool_calls)) == ("Hm.", [LOOKUP])


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
