"""What a message holds, as each provider takes it: blank texts, empty results, arguments, images.

The threads that a case was met in stand in its comment, or in the test's docstring.
"""

import json
from typing import Any

import pytest
from tests.router.chat import user
from tests.router.providers.conversation.messages import assistant, body, calls, chat, result, system
from tests.router.wire_formats import FORMATS

from weft.common.v1 import chat_pb2
from weft_router.providers.conversation import OPENING
from weft_router.providers.provider import ProviderError, Remedy


@pytest.mark.parametrize("silent", [assistant(), assistant(""), assistant(" \n", "")])
@pytest.mark.parametrize("kind", FORMATS)
def test_an_answer_without_a_word_is_left_out(kind: str, silent: chat_pb2.Message) -> None:
    """Kimi: "message with role 'assistant' must not be empty"; Anthropic: anthropics/anthropic-sdk-python#461."""
    assert body(kind, user("a"), silent, user("b")) == body(kind, user("a"), user("b"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_blank_text_beside_calls_is_left_out(kind: str) -> None:
    """anomalyco/opencode#31259, aaif-goose/goose#7343; every client that copies the text of an answer sends one."""
    with_blank = calls("x")
    with_blank.parts.add(text="")
    said = body(kind, user("a"), with_blank, result("x", "1"))
    assert said == body(kind, user("a"), calls("x"), result("x", "1"))


def test_anthropic_is_told_no_blank_text() -> None:
    """anthropics/claude-code#23440: "text content blocks must contain non-whitespace text"."""
    parts = [chat_pb2.ContentPart(text=text) for text in ("What", " \n", "?")]
    asked = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=parts)
    said = body("anthropic", system(" "), user("\t"), assistant("Hm.", "  "), asked)

    assert "system" not in said
    blocks = [block["text"] for message in said["messages"] for block in message["content"]]
    assert blocks == [OPENING, "Hm.", "What", "?"]


def test_gemini_is_told_no_blank_system_text() -> None:
    assert "systemInstruction" not in body("gemini", system(" "), user("a"))


@pytest.mark.parametrize("before", [[], [user("a"), assistant("b")]])
def test_a_blank_question_goes_to_a_provider_that_takes_it(before: list[chat_pb2.Message]) -> None:
    with pytest.raises(ProviderError, match="write something") as failure:
        body("anthropic", *before, user(" "))
    assert failure.value.remedy is Remedy.ANOTHER_PROVIDER
    assert chat(*before, user(" "))[-1] == {"role": "user", "content": " "}


def test_an_empty_result_is_said_as_each_format_says_it() -> None:
    """docs.anthropic.com, handling tool results: for an empty one, content is left out."""
    messages = [user("a"), calls("x"), result("x", "")]
    assert chat(*messages)[-1] == {"role": "tool", "content": "", "tool_call_id": "x"}
    assert body("responses", *messages)["input"][-1] == {"type": "function_call_output", "call_id": "x", "output": ""}
    assert body("anthropic", *messages)["messages"][-1]["content"] == [{"type": "tool_result", "tool_use_id": "x"}]
    response = {"functionResponse": {"name": "look", "response": {"result": ""}}}
    assert body("gemini", *messages)["contents"][-1]["parts"] == [response]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ("null", {}),
        ("[]", {}),  # PHP's empty array: prism-php/prism#659
        ('""', {}),
        ("[1]", {"value": [1]}),
        ('"text"', {"value": "text"}),
        ("5", {"value": 5}),
        ("false", {"value": False}),
    ],
)
def test_arguments_are_told_as_an_object(written: str, meant: dict[str, Any]) -> None:
    """anthropics/claude-code#6696: "tool_use.input: Input should be a valid dictionary"; so do templates."""
    messages = [user("a"), calls("x", arguments=written), result("x", "1")]
    function = chat(*messages)[1]["tool_calls"][0]["function"]

    assert json.loads(function["arguments"]) == meant
    assert json.loads(body("responses", *messages)["input"][1]["arguments"]) == meant
    assert body("anthropic", *messages)["messages"][1]["content"][0]["input"] == meant
    assert body("gemini", *messages)["contents"][1]["parts"][0]["functionCall"]["args"] == meant


def test_arguments_that_are_an_object_are_told_as_they_were_written() -> None:
    written = '{ "b": 1.50, "a": "\\u00e9" }'
    assert chat(user("a"), calls("x", arguments=written))[1]["tool_calls"][0]["function"]["arguments"] == written


def test_gemini_is_shown_no_gif() -> None:
    """ai.google.dev/gemini-api/docs/image-understanding; microsoft/vscode#286628."""
    gif = chat_pb2.ContentPart(image=chat_pb2.Image(data=b"gif", mime_type="image/gif"))
    with pytest.raises(ProviderError, match="PNG") as failure:
        body("gemini", chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[gif]))
    assert failure.value.remedy is Remedy.ANOTHER_PROVIDER
