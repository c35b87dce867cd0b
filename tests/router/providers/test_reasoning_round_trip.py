"""What a provider wants to see again with its calls goes back to it, as it came, and to nobody else."""

import json
import tracemalloc
from typing import Any

import pytest
from tests.router.chat import says, user

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import (
    AnthropicEntry,
    GeminiEntry,
    OpenAIEntry,
    OpenAIResponsesEntry,
)
from weft_kit.validation.json_values import ARGUMENTS, read
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.encoding import MOST_STATE_BYTES
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.http.wire_format import WireFormat
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.responses import Responses
from weft_router.providers.stream_reader import Answer, StreamReader

KIMI = "kimi-k2-thinking"


def chat_format(base_url: str = "https://provider.test/v1") -> ChatCompletions:
    return ChatCompletions(OpenAIEntry.model_validate({"kind": "openai", "base_url": base_url}))


def anthropic_format(base_url: str = "https://api.anthropic.com/v1") -> Messages:
    return Messages(AnthropicEntry.model_validate({"kind": "anthropic", "base_url": base_url}))


CHAT, ANTHROPIC = chat_format(), anthropic_format()
GEMINI = GenerateContent(GeminiEntry.model_validate({"kind": "gemini"}))
RESPONSES = Responses(OpenAIResponsesEntry.model_validate({"kind": "openai_responses"}))


def answered(form: WireFormat, *events: object, model: str = "m") -> list[chat_pb2.ToolCall]:
    """Returns the calls of an answer."""
    reader: Answer = form.answer(inference_pb2.GenerateRequest(model=model))
    reading, said = StreamReader(reader), AnswerSoFar()
    body = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    for step in [*reading.read(body.encode()), *([] if reading.is_over else reading.end())]:
        if not isinstance(step, (inference_pb2.Finished, chat_pb2.Usage, inference_pb2.Admitted)):
            said.add(step)
    return said.tool_calls


def next_body(form: WireFormat, calls: list[chat_pb2.ToolCall], text: str = "", model: str = "m") -> dict[str, Any]:
    """Returns the body of the turn after."""
    turn = says(chat_pb2.ROLE_ASSISTANT, text, tool_calls=calls)
    results = [says(chat_pb2.ROLE_TOOL, "r", tool_call_id=call.id) for call in calls]
    return dict(form.body(inference_pb2.GenerateRequest(model=model, messages=[user("a"), turn, *results])))


def chunk(finish_reason: str | None = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def call(index: int = 0, **fields: object) -> dict[str, object]:
    return {"index": index, "id": f"c{index}", "function": {"name": "look", "arguments": "{}"}, **fields}


def chat_calls(*chunks: object, model: str = "m", form: WireFormat = CHAT) -> list[chat_pb2.ToolCall]:
    return answered(form, *chunks, chunk("tool_calls"), "[DONE]", model=model)


def chat_turn(calls: list[chat_pb2.ToolCall], model: str = "m", form: WireFormat = CHAT) -> dict[str, Any]:
    turn: dict[str, Any] = next_body(form, calls, model=model)["messages"][1]
    return turn


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


# --- Responses -------------------------------------------------------------------------------------------------------


def item(place: int, **fields: object) -> list[dict[str, object]]:
    kinds = ("response.output_item.added", "response.output_item.done")
    return [{"type": kind, "output_index": place, "item": fields} for kind in kinds]


def reasoning(place: int, encrypted: str | None) -> list[dict[str, object]]:
    summary = [{"type": "summary_text", "text": f"thought {place}"}]
    return item(
        place, type="reasoning", id=f"rs_{place}", status="completed", summary=summary, encrypted_content=encrypted
    )


def function(place: int) -> list[dict[str, object]]:
    return item(place, type="function_call", id=f"fc_{place}", call_id=f"call_{place}", name="look", arguments="{}")


OVER = {"type": "response.completed", "response": {"status": "completed"}}


def test_reasoning_of_responses_goes_back_before_its_call() -> None:
    """developers.openai.com, reasoning with store false; openai/openai-agents-python and codex send it without ids."""
    calls = answered(
        RESPONSES, *reasoning(0, "e0"), *function(1), *reasoning(2, "e2"), *function(3), OVER, model="gpt-5"
    )
    told = next_body(RESPONSES, calls, "I look.", model="gpt-5")["input"]

    kinds = [one.get("encrypted_content") or one.get("type") or one["role"] for one in told]
    assert kinds[:6] == ["user", "e0", "assistant", "function_call", "e2", "function_call"]
    assert kinds[6:] == ["function_call_output"] * 2
    assert told[1] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "thought 0"}],
        "encrypted_content": "e0",
    }


def test_reasoning_of_responses_that_nobody_can_read_stays_away() -> None:
    """openai/codex#8100: "The encrypted content could not be verified", by another model or with another's key."""
    calls = answered(RESPONSES, *reasoning(0, "e0"), *function(1), OVER, model="gpt-5")
    assert "reasoning" not in {one.get("type") for one in next_body(RESPONSES, calls, model="o3")["input"]}
    unread = answered(RESPONSES, *reasoning(0, None), *function(1), OVER, model="gpt-5")
    assert "reasoning" not in {one.get("type") for one in next_body(RESPONSES, unread, model="gpt-5")["input"]}


@pytest.mark.parametrize(
    ("model", "asks"),
    [
        ("gpt-5-mini", True),
        ("o3-mini", True),
        ("gpt-5.1-codex-max", True),
        ("gpt-5-chat-latest", False),
        ("gpt-4o", False),
    ],
)
def test_encrypted_reasoning_is_asked_of_models_that_reason(model: str, *, asks: bool) -> None:
    """Others answer 400: "Encrypted content is not supported with this model"."""
    said = RESPONSES.body(inference_pb2.GenerateRequest(model=model, messages=[user("a")]))
    assert said.get("include") == (["reasoning.encrypted_content"] if asks else None)


# --- Anthropic -------------------------------------------------------------------------------------------------------


def block(index: int, **fields: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": fields}


@pytest.mark.parametrize(
    ("form", "events"),
    [
        (ANTHROPIC, lambda number: [block(number, type="redacted_thinking", data="x" * 100_000)]),
        (RESPONSES, lambda number: reasoning(number, "x" * 100_000)),
        (CHAT, lambda number: [chunk(reasoning_details=[{"index": number, "text": "x" * 100_000}])]),
    ],
    ids=["anthropic", "responses", "openai"],
)
def test_thoughts_that_are_too_many_to_go_back_are_not_gathered(form: WireFormat, events: Any) -> None:
    """They are no text that the answer's limit would bound."""
    reader: Answer = form.answer(inference_pb2.GenerateRequest(model="m"))
    tracemalloc.start()
    try:
        for number in range(100):
            for event in events(number):
                reader.event(event)
            reader.take()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * MOST_STATE_BYTES


def test_thinking_between_calls_stays_between_them() -> None:
    """docs.anthropic.com, interleaved thinking: the blocks of the latest turn go back as they came, in their order."""
    calls = answered(
        ANTHROPIC,
        block(0, type="thinking", thinking="one", signature="s1"),
        block(1, type="tool_use", id="t1", name="look"),
        block(2, type="thinking", thinking="two", signature="s2"),
        block(3, type="tool_use", id="t2", name="look"),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    told = next_body(ANTHROPIC, calls)["messages"][1]["content"]
    assert [one.get("thinking") or one["id"] for one in told] == ["one", "t1", "two", "t2"]
    elsewhere = next_body(anthropic_format("https://api.minimax.io/anthropic/v1"), calls)["messages"][1]["content"]
    assert [one["type"] for one in elsewhere] == ["tool_use", "tool_use"], "Invalid `signature` in `thinking` block"


# --- Gemini ----------------------------------------------------------------------------------------------------------


def gemini_calls(*parts: dict[str, object], model: str = "m") -> list[chat_pb2.ToolCall]:
    return answered(GEMINI, {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}, model=model)


def test_ids_of_gemini_go_back_on_the_call_and_its_result() -> None:
    """ai.google.dev/gemini-api/docs/function-calling; NousResearch/hermes-agent#46077. Older models have none."""
    calls = gemini_calls(*({"functionCall": {"name": "look", "id": call_id}} for call_id in ("a", "b")))
    contents = next_body(GEMINI, calls)["contents"]
    assert [part["functionCall"]["id"] for part in contents[1]["parts"]] == ["a", "b"]
    assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == ["a", "b"]

    older = next_body(GEMINI, gemini_calls({"functionCall": {"name": "look"}}))["contents"]
    assert "id" not in older[1]["parts"][0]["functionCall"]
    assert "id" not in older[2]["parts"][0]["functionResponse"]


def test_a_signature_goes_back_in_the_part_it_came_in() -> None:
    """ai.google.dev/gemini-api/docs/thought-signatures: Gemini 2.5 signs the first part, be it text."""
    calls = gemini_calls({"text": "I look.", "thoughtSignature": "dA=="}, {"functionCall": {"name": "look"}})
    told = next_body(GEMINI, calls, "I look.")["contents"][1]["parts"]
    assert told == [
        {"text": "I look.", "thoughtSignature": "dA=="},
        {"functionCall": {"name": "look", "args": {}}},
    ]


def test_a_signature_of_another_model_is_left_out() -> None:
    """ai.google.dev/gemini-api/docs/thought-signatures, "Corrupted thought signature" when the model changes."""
    calls = gemini_calls({"functionCall": {"name": "look"}, "thoughtSignature": "c2ln"}, model="gemini-2.5-flash")
    [part] = next_body(GEMINI, calls, model="gemini-3-pro")["contents"][1]["parts"]
    assert part["thoughtSignature"] == "skip_thought_signature_validator"


def test_a_signature_that_was_kept_before_sources_were_still_goes_back() -> None:
    [part] = next_body(GEMINI, [chat_pb2.ToolCall(id="c", name="look", provider_state='{"gemini":"c2ln"}')])[
        "contents"
    ][1]["parts"]
    assert part["thoughtSignature"] == "c2ln"


# --- ids that are made up --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [CHAT, GEMINI], ids=["openai", "gemini"])
def test_ids_that_are_made_up_are_never_made_up_twice(form: WireFormat) -> None:
    """brainlid/langchain#620: two turns with one id are refused by a provider that the conversation goes to."""
    nameless = {"function": {"name": "look", "arguments": "{}"}}
    made = [
        one.id
        for _ in range(3)
        for one in (
            chat_calls(chunk(tool_calls=[{"index": 0, **nameless}, {"index": 1, **nameless}]))
            if form is CHAT
            else gemini_calls({"functionCall": {"name": "look"}}, {"functionCall": {"name": "look"}})
        )
    ]
    assert len(set(made)) == 6
    assert all(len(one) <= 40 for one in made)
