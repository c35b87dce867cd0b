"""Every call has an id that its provider takes, and one result, however a client sent them.

The threads that a case was met in stand in its comment, or in the test's docstring.
"""

import re
from itertools import pairwise
from typing import Any

import pytest
from tests.router.chat import user
from tests.router.providers.conversation.messages import MISTRAL, body, calls, result
from tests.router.wire_formats import FORMATS
from tests.support.cost import cost_of

from weft.common.v1 import chat_pb2, error_pb2
from weft_router.providers.conversation import UNANSWERED, CallIds, arranged
from weft_router.providers.provider import ProviderError, Remedy


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
