"""Conversations as clients send them, and as each provider takes them: ids, order, blanks, and what is missing.

The threads that a case was met in stand in its comment, or in the test's docstring.
"""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from tests.router.chat import says, user
from tests.router.wire_formats import FORMATS
from tests.support.cost import cost_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import OpenAIEntry
from weft_router.providers.conversation import OPENING, UNANSWERED, CallIds, arranged
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.provider import ProviderError, Remedy

MISTRAL = "mistral-large-latest"


def calls(*ids: str, name: str = "look", arguments: str = "{}") -> chat_pb2.Message:
    made = [chat_pb2.ToolCall(id=call_id, name=name, arguments_json=arguments) for call_id in ids]
    return chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=made)


def result(call_id: str, text: str) -> chat_pb2.Message:
    parts = [chat_pb2.ContentPart(text=text)] if text else []
    return chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id=call_id, parts=parts)


def assistant(*texts: str) -> chat_pb2.Message:
    parts = [chat_pb2.ContentPart(text=text) for text in texts]
    return chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, parts=parts)


def system(text: str) -> chat_pb2.Message:
    return says(chat_pb2.ROLE_SYSTEM, text)


def body(kind: str, *messages: chat_pb2.Message, model: str = "m") -> dict[str, Any]:
    return dict(FORMATS[kind].body(inference_pb2.GenerateRequest(model=model, messages=messages)))


def chat(*messages: chat_pb2.Message, model: str = "m") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body("openai", *messages, model=model)["messages"]
    return found


def told(kind: str, said: dict[str, Any]) -> tuple[list[str], list[tuple[str, str]]]:
    """Returns the ids of the calls in a body, and the ids and texts of the results."""
    match kind:
        case "openai":
            messages = said["messages"]
            made = [call["id"] for message in messages for call in message.get("tool_calls", ())]
            return made, [(one["tool_call_id"], one["content"]) for one in messages if one["role"] == "tool"]
        case "responses":
            items = said["input"]
            made = [one["call_id"] for one in items if one.get("type") == "function_call"]
            return made, [(one["call_id"], one["output"]) for one in items if "output" in one]
        case "anthropic":
            blocks = [block for message in said["messages"] for block in message["content"]]
            made = [one["id"] for one in blocks if one["type"] == "tool_use"]
            results = [one for one in blocks if one["type"] == "tool_result"]
            return made, [(one["tool_use_id"], one.get("content", "")) for one in results]
    return told_gemini(said["contents"])


def told_gemini(contents: list[dict[str, Any]]) -> tuple[list[str], list[tuple[str, str]]]:
    """Returns the same, where only places tell which result belongs to a call."""
    made, results = [], []
    for turn, following in pairwise([*contents, {"parts": []}]):
        count = sum("functionCall" in part for part in turn["parts"])
        if count:
            assert len(following["parts"]) == count, "results stand by themselves, as many as calls"
            ids = [str(len(made) + place) for place in range(count)]
            texts = [part["functionResponse"]["response"]["result"] for part in following["parts"]]
            made += ids
            results += zip(ids, texts, strict=True)
    return made, results


def paired(kind: str, said: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the ids of the calls in a body with the texts of their results: each has exactly one."""
    made, results = told(kind, said)
    assert len(set(made)) == len(made), "no two calls have one id"
    assert made == [call_id for call_id, _ in results], "results follow in the order of the calls"
    return results


HISTORIES: dict[str, tuple[list[chat_pb2.Message], list[str]]] = {
    # brainlid/langchain#620; and what Weft itself called the first call of every answer that had no ids
    "one id in every turn": (
        [user("a"), calls("call_0"), result("call_0", "one"), user("b"), calls("call_0"), result("call_0", "two")],
        ["one", "two"],
    ),
    "one id for the calls of one turn": (
        [user("a"), calls("x", "x"), result("x", "one"), result("x", "two")],
        ["one", "two"],
    ),
    # router-for-me/CLIProxyAPI#5199
    "results in another order": (
        [user("a"), calls("x", "y", "z"), result("z", "3"), result("x", "1"), result("y", "2")],
        ["1", "2", "3"],
    ),
    # charmbracelet/crush#279, anomalyco/opencode#3230
    "a user between a call and its result": (
        [user("a"), calls("x", "y"), result("x", "1"), user("Hurry"), result("y", "2")],
        ["1", "2"],
    ),
    # anthropics/claude-code#1776
    "calls that nobody answered": (
        [user("a"), calls("x", "y"), result("y", "2"), user("Never mind"), calls("z"), user("b")],
        [UNANSWERED, "2", UNANSWERED],
    ),
    "an id that an unanswered call had": (
        [user("a"), calls("x"), user("b"), calls("x"), result("x", "2")],
        [UNANSWERED, "2"],
    ),
    "two turns of calls in a row": (
        [user("a"), calls("x"), calls("y"), result("x", "1"), result("y", "2")],
        ["1", "2"],
    ),
    # vLLM's ids have 46 characters, OpenAI takes 40: BerriAI/litellm#17343, camel-ai/camel#2215
    "ids that are long, odd or alike once they are mended": (
        [
            user("a"),
            calls("x" * 46, "é", "a.b", "a:b", " "),
            *(result(i, i) for i in ("x" * 46, "é", "a.b", "a:b", " ")),
        ],
        ["x" * 46, "é", "a.b", "a:b", ""],
    ),
}


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_call_has_an_id_of_its_own_and_one_result(kind: str, history: str) -> None:
    messages, results = HISTORIES[history]
    found = [text.strip() for _, text in paired(kind, body(kind, *messages))]
    assert found == results


FORMS = {
    # Mistral's validator: github.com/mistralai/mistral-common, instruct/validator.py
    "openai": (MISTRAL, "[a-zA-Z0-9]{9}"),
    # platform.openai.com/docs/api-reference/responses: call_id has at most 64 characters
    "responses": ("m", ".{1,64}"),
    # docs.anthropic.com: tool_use.id, "String should match pattern '^[a-zA-Z0-9_-]+$'"
    "anthropic": ("m", "[a-zA-Z0-9_-]{1,64}"),
}


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("kind", FORMS)
def test_ids_are_what_the_provider_takes(kind: str, history: str) -> None:
    model, form = FORMS[kind]
    found = paired(kind, body(kind, *HISTORIES[history][0], model=model))
    assert all(re.fullmatch(form, call_id) for call_id, _ in found)


@pytest.mark.parametrize("kind", FORMS)
def test_ids_stay_the_same_while_a_conversation_grows(kind: str) -> None:
    """What was sent is not changed by what follows, or no prefix would be found in the provider's cache."""
    messages = [one for messages, _ in HISTORIES.values() for one in messages]
    whole = paired(kind, body(kind, *messages, model=FORMS[kind][0]))
    part = paired(kind, body(kind, *messages[:6], model=FORMS[kind][0]))
    assert part == whole[: len(part)]


def test_an_id_that_fits_is_left_alone() -> None:
    """Kimi's templates read the name of a call out of it: MoonshotAI/Kimi-K2, docs/tool_call_guidance.md."""
    assert [one[0] for one in paired("openai", body("openai", user("a"), calls("functions.look:0")))] == [
        "functions.look:0"
    ]
    assert [one[0] for one in paired("anthropic", body("anthropic", user("a"), calls("toolu_1")))] == ["toolu_1"]


def test_an_id_that_is_made_up_is_never_one_that_follows() -> None:
    ids = CallIds(re.compile("[a-f0-9]{2}"), prefix="", digits=2)
    messages = [user("a"), calls("odd id"), calls(*(f"{number:02x}" for number in range(200)))]
    sent = [call.id for message in arranged(messages, ids) for call in message.tool_calls]
    assert len(set(sent)) == 201
    assert all(re.fullmatch("[a-f0-9]{2}", one) for one in sent)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "messages",
    [
        [result("x", "1"), user("b")],  # the front of the conversation was cut off
        [user("a"), calls("x"), result("y", "1")],
        [user("a"), calls("x"), result("x", "1"), result("x", "again")],
    ],
)
def test_a_result_of_no_call_is_named_and_asked_of_nobody_who_refuses_it(
    kind: str, messages: list[chat_pb2.Message]
) -> None:
    """Each answers 400: "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"."""
    with pytest.raises(ProviderError, match=r"messages\[\d\] is the result of a call") as failure:
        body(kind, *messages)
    assert failure.value.reason == error_pb2.ERROR_REASON_UNSUPPORTED
    assert failure.value.remedy is Remedy.ANOTHER_PROVIDER


def test_arranging_costs_what_the_conversation_is_long() -> None:
    def cost(count: int) -> float:
        messages = [one for _ in range(count) for one in (calls("call_0", "call_0"), result("call_0", "r"))]
        return cost_of(lambda: arranged(messages, CallIds(re.compile("[a-z]+"))))

    assert cost(4000) < 4 * cost(2000)


# --- blanks ----------------------------------------------------------------------------------------------------------


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


# --- order -----------------------------------------------------------------------------------------------------------


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


# --- arguments -------------------------------------------------------------------------------------------------------


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
