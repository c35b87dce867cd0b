"""Pieces of calls, as the many servers tell them, are joined into those that the model made."""

import json

import pytest
from tests.router.providers.tool_calls.pieces import DOOR, LAMP, LOOKUP, called, piece, read

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
