"""Whose turn follows whose, as each provider takes it.

The threads that a case was met in stand in the test's docstring.
"""

import re

import pytest
from tests.router.chat import user
from tests.router.providers.conversation.messages import MISTRAL, assistant, body, calls, chat, result, system

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIEntry
from weft_router.providers.openai.chat import ChatCompletions


def test_results_stand_before_what_the_user_says_with_them() -> None:
    """docs.anthropic.com, handling tool results: tool_result blocks come first, and right after their calls."""
    said = body("anthropic", user("a"), calls("x", "y"), user("Hurry"), result("y", "2"), result("x", "1"))
    assert [block["type"] for block in said["messages"][-1]["content"]] == ["tool_result", "tool_result", "text"]


def test_the_user_begins_where_it_has_to() -> None:
    """Anthropic: 'first message must use the "user" role'; google-gemini/gemini-cli#26486; charmbracelet/crush#279."""
    messages = [system("s"), assistant("Welcome."), user("a")]
    assert [one["role"] for one in body("anthropic", *messages)["messages"]] == ["user", "assistant", "user"]
    assert [one["role"] for one in body("gemini", *messages)["contents"]] == ["user", "model", "user"]
    assert [one["role"] for one in chat(*messages, model=MISTRAL)] == ["system", "user", "assistant", "user"]
    assert [one["role"] for one in chat(*messages)] == ["system", "assistant", "user"]


def test_what_the_model_said_in_two_messages_is_one_turn_of_gemini() -> None:
    """google-gemini/gemini-cli#26486: "function call turn comes immediately after a user turn"."""
    said = body("gemini", user("a"), assistant("I look."), calls("x"), result("x", "1"))
    assert [one["role"] for one in said["contents"]] == ["user", "model", "user"]


def test_system_messages_at_the_beginning_are_one() -> None:
    """vllm-project/vllm#41114, mlc-ai/mlc-llm#2311."""
    sent = chat(system("One."), system("Two."), user("a"), system("Three."), user("b"))
    assert [one["role"] for one in sent] == ["system", "user", "system", "user"]
    assert sent[0]["content"] == "One.\n\nTwo."


@pytest.mark.parametrize(
    "model", [MISTRAL, "google/gemma-3-27b-it", "Qwen/Qwen3.6-27B", "mixtral-8x7b", "devstral-small"]
)
def test_models_whose_templates_want_roles_to_alternate_get_them_so(model: str) -> None:
    """vllm-project/vllm#41114 (Qwen), suitenumerique/conversations#197 (Gemma), charmbracelet/crush#279 (Mistral)."""
    image = chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.jpg"))
    seen = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[image])
    sent = chat(
        system("s"),
        user("a"),
        user("b"),
        assistant("c"),
        calls("x"),
        result("x", "1"),
        user("d"),
        system("t"),
        seen,
        model=model,
    )

    assert [one["role"] for one in sent] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert sent[0]["content"] == "s\n\nt"
    assert sent[1]["content"] == "a\n\nb"
    assert (sent[2]["content"], len(sent[2]["tool_calls"])) == ("c", 1)
    assert [part["type"] for part in sent[-1]["content"]] == ["text", "image_url"]


def test_a_server_of_mistral_is_known_by_its_host() -> None:
    entry = OpenAIEntry.model_validate({"kind": "openai", "base_url": "https://api.mistral.ai/v1"})
    asked = inference_pb2.GenerateRequest(model="ft:open:1", messages=[user("a"), calls("call_0"), user("b")])
    sent = ChatCompletions(entry).body(asked)["messages"]
    assert re.fullmatch("[a-zA-Z0-9]{9}", sent[1]["tool_calls"][0]["id"])
    assert [one["role"] for one in sent] == ["user", "assistant", "tool", "assistant", "user"]
