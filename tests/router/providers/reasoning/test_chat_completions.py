"""What chat completions tell of their reasoning goes back to who told it, whole, and to nobody else."""

import json

import pytest
from tests.router.providers.reasoning.turns import CHAT, call, chat_calls, chat_format, chat_turn, chunk

from weft.common.v1 import chat_pb2
from weft_kit.validation.json_values import ARGUMENTS, read
from weft_router.providers.encoding import MOST_STATE_BYTES
from weft_router.providers.http.wire_format import WireFormat

KIMI = "kimi-k2-thinking"


def text(text: str, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "reasoning.text", "text": text, "format": kind, "index": 0, **fields}


def summary(text: str, index: int) -> dict[str, object]:
    return {"type": "reasoning.summary", "summary": text, "index": index}


def encrypted(data: str, index: int) -> dict[str, object]:
    return {"type": "reasoning.encrypted", "data": data, "index": index}


SIGNATURE = {"type": "reasoning.text", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}
DETAILS = [
    # OpenRouter with Claude, the signature in a piece of its own: agno-agi/agno#5802
    (
        [[text("Let", "anthropic-claude-v1")], [text(" me.", "anthropic-claude-v1")], [SIGNATURE]],
        [text("Let me.", "anthropic-claude-v1", signature="c2ln")],
    ),
    # OpenRouter with Gemini, encrypted, one for each call, with one number: agentjido/req_llm#300
    ([[encrypted("YQ==", 0)], [encrypted("Yg==", 0)]], [encrypted("YQ==", 0), encrypted("Yg==", 0)]),
    # OpenRouter with OpenAI: openrouter.ai/docs/use-cases/reasoning-tokens
    (
        [[summary("I ", 0)], [summary("think", 0), encrypted("x", 1)], [summary("again", 2)]],
        [summary("I think", 0), encrypted("x", 1), summary("again", 2)],
    ),
    # MiniMax with reasoning_split, each piece all of the text so far: platform.minimax.io, OpenAI-compatible API
    (
        [[text("Let", "MiniMax-response-v1")], [text("Let me.", "MiniMax-response-v1")]],
        [text("Let me.", "MiniMax-response-v1")],
    ),
]


@pytest.mark.parametrize(("pieces", "whole"), DETAILS, ids=["signed", "encrypted", "summaries", "minimax"])
def test_details_go_back_whole(pieces: list[object], whole: list[object]) -> None:
    calls = chat_calls(*(chunk(reasoning_details=piece) for piece in pieces), chunk(tool_calls=[call()]))
    assert chat_turn(calls)["reasoning_details"] == whole


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_under_the_name_it_came_with(name: str) -> None:
    """bytedance/deer-flow#3043 (Kimi), charmbracelet/crush#2696 (DeepSeek); vLLM and Groq say `reasoning`."""
    calls = chat_calls(chunk(**{name: "I should "}), chunk(**{name: "look."}), chunk(tool_calls=[call(0), call(1)]))
    turn = chat_turn(calls)

    assert {key: turn[key] for key in turn if key.startswith("reasoning")} == {name: "I should look."}
    assert [bool(one.provider_state) for one in calls] == [True, False], "it is kept once, however many calls there are"


def test_what_comes_behind_the_call_goes_back_as_well() -> None:
    """OpenRouter sends Gemini's signatures with or after the call."""
    detail = {"type": "reasoning.encrypted", "data": "YQ==", "index": 0}
    assert chat_turn(chat_calls(chunk(tool_calls=[call()]), chunk(reasoning_details=[detail])))[
        "reasoning_details"
    ] == [detail]


@pytest.mark.parametrize(
    "extra", [{"google": {"thought_signature": "c2ln"}}, {"vertex": {"thought_signature": "c2ln"}}]
)
def test_what_a_call_brings_goes_back_with_that_call(extra: dict[str, object]) -> None:
    """langroid/langroid#969, earendil-works/pi#6733: "Function call is missing a thought_signature"."""
    calls = chat_calls(chunk(tool_calls=[call(0)]), chunk(tool_calls=[call(1, extra_content=extra)]))
    assert [one.get("extra_content") for one in chat_turn(calls)["tool_calls"]] == [None, extra]


@pytest.mark.parametrize(
    ("form", "model"),
    [(chat_format("https://api.groq.com/openai/v1"), "m"), (CHAT, "gpt-4o-mini")],
    ids=["server", "model"],
)
def test_reasoning_is_not_shown_to_another(form: WireFormat, model: str) -> None:
    """janhq/jan#8136 (Groq), Kilo-Org/kilocode#10375 (Cerebras): "property 'reasoning_content' is unsupported"."""
    calls = chat_calls(chunk(reasoning_content="Hm."), chunk(tool_calls=[call(extra_content={"google": {}})]))
    turn = chat_turn(calls, model=model, form=form)
    assert set(turn) == {"role", "content", "tool_calls"}
    assert set(turn["tool_calls"][0]) == {"id", "type", "function"}


def test_an_answer_without_calls_keeps_nothing() -> None:
    """DeepSeek's reasoner once refused reasoning in its input: api-docs.deepseek.com/guides/reasoning_model."""
    assert chat_calls(chunk(reasoning_content="Hm."), chunk(content="Hi")) == []


@pytest.mark.parametrize(
    ("model", "host", "demands"),
    [
        (KIMI, "api.moonshot.ai", True),
        ("moonshotai/Kimi-K2.6", "provider.test", True),
        ("deepseek-reasoner", "api.deepseek.com", True),
        ("deepseek-v4-pro", "api.deepseek.com", True),
        ("kimi-k2-instruct", "provider.test", False),  # vercel/ai#8057: refuses it
        ("moonshotai/kimi-k2.5", "api.groq.com", False),
        ("gpt-5", "api.openai.com", False),
    ],
)
def test_who_demands_reasoning_is_told_that_there_was_none(model: str, host: str, *, demands: bool) -> None:
    """charmbracelet/crush#2696: Kimi refuses calls without it, and takes a space where "" counts as missing."""
    foreign = [chat_pb2.ToolCall(id="c", name="look", provider_state='{"gemini":"c2ln"}')]
    turn = chat_turn(foreign, model=model, form=chat_format(f"https://{host}/v1"))
    assert turn.get("reasoning_content") == (" " if demands else None)


@pytest.mark.parametrize("thought", ["x" * (MOST_STATE_BYTES + 1), "a\0b"], ids=["long", "nul"])
def test_what_the_gateway_would_not_take_back_is_not_handed_out(thought: str) -> None:
    detail = {"type": "reasoning.text", "text": thought}
    [one] = chat_calls(chunk(reasoning_details=[detail]), chunk(tool_calls=[call()]))
    assert not one.provider_state


@pytest.mark.parametrize("kind", ["anthropic-claude-v1", "MiniMax-response-v1"])
def test_reasoning_in_very_many_pieces_goes_back_whole(kind: str) -> None:
    """OpenRouter says with each token what it is, MiniMax all of the text so far: neither is kept.

    openrouter.ai/docs/use-cases/reasoning-tokens, platform.minimax.io
    """
    texts = [f"thought {number} " for number in range(6_000)]
    so_far = ["".join(texts[: at + 1]) for at in range(400)] if kind.startswith("MiniMax") else texts
    details = [{"type": "reasoning.text", "text": text, "format": kind, "index": 0} for text in so_far]
    whole = so_far[-1] if kind.startswith("MiniMax") else "".join(texts)

    [one] = chat_calls(*(chunk(reasoning_details=[detail]) for detail in details), chunk(tool_calls=[call()]))
    assert json.loads(one.provider_state)["openai"]["reasoning_details"] == [details[0] | {"text": whole}]


@pytest.mark.parametrize("odd", [5, "text", {"a": 1}, [5], [{"type": 1, "index": {}, "text": 5}], [{}], None])
def test_details_of_another_kind_break_nothing(odd: object) -> None:
    [one] = chat_calls(chunk(reasoning_details=odd), chunk(tool_calls=[call()]))
    if one.provider_state:
        read(one.provider_state, ARGUMENTS)
