"""Names of tools that a provider refuses: told in other words, and told back in those of the request.

What is taken: OpenAI's API reference (`tools[].function.name`: "a-z, A-Z, 0-9, or contain underscores and dashes, with
a maximum length of 64"); Anthropic's (`tools[].name`, `^[a-zA-Z0-9_-]{1,64}$`); Gemini as google-gemini/gemini-cli#2966
and kaitranntt/ccs#25 quote it ("must start with a letter or an underscore … maximum length of 64"); Kimi as
MoonshotAI/kimi-cli#1773 and #2531 do ("must start with a letter").
"""

import json
import re

import pytest
from tests.router.chat import says, user
from tests.router.providers.http.harness import KINDS, answer, asking, on
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog.providers import GeminiEntry
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.tool_names import NAME, ToolNames, tool_names

ODD = ("functions.lookup:0", "github/search", "tool name", "wörter", "x" * 100, "y" * 65, "", "-", "3d")
STRICTEST = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")


def told(*names: str) -> list[str]:
    """Returns the names as a provider with the strictest rule is told them."""
    request = asking(tools=[chat_pb2.Tool(name="kept")])
    request.messages.add(tool_calls=[chat_pb2.ToolCall(name=name) for name in names])
    renamed = tool_names(request, STRICTEST).renamed(request)
    return [call.name for call in renamed.messages[-1].tool_calls]


def test_every_odd_name_becomes_one_that_all_take_and_comes_back() -> None:
    sent = told(*ODD)

    assert len(set(sent)) == len(ODD)
    formats = [
        wire_format(entry.model_validate({"kind": kind, "base_url": "https://provider.test/v1"}))  # type: ignore[arg-type]
        for kind, (entry, wire_format) in KINDS.items()
    ]
    taken = [format_.tool_name(model) for format_ in formats for model in ("m", "kimi-k2.6")]
    for name in sent:
        assert all(pattern.fullmatch(name) for pattern in taken)
    calls = [event_pb2.ToolCallDelta(name=name) for name in sent]
    ToolNames(ODD, STRICTEST).restore(calls)
    assert [call.name for call in calls] == list(ODD)


def test_a_name_is_spelt_alike_in_every_turn() -> None:
    assert told("a.b") == told("zzz", "a.b")[1:]
    assert told("a/b")[0] != told("a b")[0]


def test_a_name_that_is_taken_already_is_not_given_to_another() -> None:
    odd = "a b"
    first = told(odd)[0]
    names = ToolNames((first, odd), NAME)
    calls = [event_pb2.ToolCallDelta(name=first)]
    names.restore(calls)

    assert calls[0].name == first


def test_a_request_whose_names_are_taken_is_sent_as_it_is() -> None:
    request = asking(tools=[chat_pb2.Tool(name="a-b_1")])
    assert tool_names(request, NAME).renamed(request) is request


def test_what_a_model_calls_and_nobody_declared_stays_as_it_is() -> None:
    calls = [event_pb2.ToolCallDelta(name="unheard.of")]
    ToolNames(["a b"], NAME).restore(calls)
    assert calls[0].name == "unheard.of"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_another_model_named_oddly_can_go_on_elsewhere(kind: str) -> None:
    call = chat_pb2.ToolCall(id="c", name="functions.look up:0", arguments_json="{}")
    turns = [
        user("?"),
        chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call]),
        says(chat_pb2.ROLE_TOOL, "3", tool_call_id="c"),
    ]
    scripted = ScriptedServer(Reply(500))
    async with on(scripted, kind) as provider:
        with pytest.raises(Exception, match="500"):
            await answer(provider, asking(messages=turns))

    sent = json.dumps(scripted.asked[0].json)
    assert "look up" not in sent
    assert "functions_look_up_0_" in sent


async def test_gemini_may_call_a_tool_whose_name_it_would_refuse() -> None:
    request = asking(tools=[chat_pb2.Tool(name="3d_view")])
    sent = (
        tool_names(request, GenerateContent(GeminiEntry.model_validate({"kind": "gemini"})).tool_name("m"))
        .renamed(request)
        .tools[0]
        .name
    )
    part = {"functionCall": {"name": sent, "args": {}}}
    chunk = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=f"data: {json.dumps(chunk)}\n\n".encode()))
    async with on(scripted, "gemini") as provider:
        whole = await answer(provider, request)

    assert scripted.asked[0].json["tools"][0]["functionDeclarations"][0]["name"] == sent != "3d_view"
    assert [made.name for made in whole.said.tool_calls] == ["3d_view"]


async def test_an_odd_name_may_come_back_in_pieces() -> None:
    """Names come in pieces at times, and are joined by those that the provider was told (continuedev/continue#5849)."""
    request = asking(tools=[chat_pb2.Tool(name="tool name"), chat_pb2.Tool(name="look")])
    sent = tool_names(request, NAME).renamed(request).tools[0].name
    pieces: list[dict[str, str]] = [{"name": sent[:4]}, {"name": sent[4:]}, {"arguments": "{}"}]
    chunks = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": piece}]}}]} for piece in pieces
    ]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in (*chunks, end))
    async with on(ScriptedServer(Reply(content_type=EVENTS, body=f"{body}data: [DONE]\n\n".encode()))) as provider:
        whole = await answer(provider, request)

    assert [(made.name, made.arguments_json) for made in whole.said.tool_calls] == [("tool name", "{}")]
