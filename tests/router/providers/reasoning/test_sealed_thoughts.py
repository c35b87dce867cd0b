"""Thoughts that are encrypted or signed go back as they came, in their place, and to nobody who could not read them."""

import tracemalloc
from typing import Any

import pytest
from tests.router.chat import user
from tests.router.providers.reasoning.turns import (
    ANTHROPIC,
    CHAT,
    GEMINI,
    RESPONSES,
    answered,
    anthropic_format,
    chunk,
    gemini_calls,
    next_body,
)

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_router.providers.encoding import MOST_STATE_BYTES
from weft_router.providers.http.wire_format import WireFormat


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
    reader = form.answer(inference_pb2.GenerateRequest(model="m"))
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
