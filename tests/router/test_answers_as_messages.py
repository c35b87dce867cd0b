"""What a job hands out as its answer is taken back as a message, by the gateway's rules and by every format."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.router import recorded
from tests.router.chat import user
from tests.router.harness import NEVER_OPENS, Harness, asking
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.submission.validation import check, check_item
from weft_kit.joblog import JobLog

KINDS = {
    "openai": "openai-text",
    "openai_responses": "responses-text",
    "anthropic": "anthropic-text",
    "gemini": "gemini-text",
}
MODELS = ["odd", *KINDS]


def catalog(odd: str, url: str) -> str:
    """One provider of each format, and another, of the format `odd`, that answers oddly."""
    providers = {"odd": odd, **{kind: kind for kind in KINDS}}
    return NEVER_OPENS + "".join(
        f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{url}/{name}"\n'
        f'[models.{name}]\nroutes = [{{ provider = "{name}", model = "m" }}]\n'
        for name, kind in providers.items()
    )


def reply(*events: object) -> Reply:
    body = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    return Reply(content_type=EVENTS, body=body.encode())


def chat(*deltas: dict[str, Any], finish_reason: str = "tool_calls") -> Reply:
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return reply(*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}, "[DONE]")


def called(name: str = "look", arguments: str = "{}", call_id: str | None = "c") -> Reply:
    call = {"index": 0, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return chat({"tool_calls": [call]})


def gemini(**call: object) -> Reply:
    parts = [{"functionCall": call}, {"functionCall": call}]
    return reply({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})


ODD: dict[str, tuple[str, Reply]] = {
    # Names that were never declared: pydantic/pydantic-ai#4585, anomalyco/opencode#48750
    "a name with dots and spaces": ("openai", called(name="functions.look up")),
    "a name in another script": ("openai", called(name="nachschläger")),
    "a long name": ("openai", called(name="l" * 200)),
    # prism-php/prism#659, pipecat-ai/pipecat#409, zed-industries/zed#26144
    "an empty array for arguments": ("openai", called(arguments="[]")),
    "null for arguments": ("openai", called(arguments="null")),
    "no arguments": ("openai", called(arguments="")),
    "a text for arguments": ("openai", called(arguments='"Paris"')),
    "a number for arguments": ("openai", called(arguments="5")),
    # brainlid/langchain#620, BerriAI/litellm#17343
    "no id": ("openai", called(call_id=None)),
    "an empty id": ("openai", called(call_id="")),
    "a long and odd id": ("openai", called(call_id="é .:" * 30)),
    # anthropics/anthropic-sdk-python#461
    "not a word": ("openai", chat({"role": "assistant", "content": ""}, finish_reason="stop")),
    "white space": ("openai", chat({"content": " \n"}, finish_reason="stop")),
    "reasoning alone": ("openai", chat({"reasoning_content": "Hm."}, finish_reason="length")),
    # bytedance/deer-flow#3043, langroid/langroid#969
    "much reasoning": (
        "openai",
        chat(
            {"reasoning_content": "Hm. " * 8_000},
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "look"}, "extra_content": {"a": 1}}]},
        ),
    ),
    "one function twice": ("gemini", gemini(name="look", args={})),
    "ids and signatures of Gemini": ("gemini", gemini(name="look", args={}, id="same")),
    "thinking of Anthropic": ("anthropic", Reply(content_type=EVENTS, body=recorded.raw("anthropic-thinking-tools"))),
    "calls of Responses": ("openai_responses", Reply(content_type=EVENTS, body=recorded.raw("responses-tools"))),
}  # fmt: skip


def followed(answer: job_pb2.Answer) -> list[chat_pb2.Message]:
    """Returns the conversation after an answer, with a tool that returned nothing."""
    said = chat_pb2.Message(
        role=chat_pb2.ROLE_ASSISTANT, parts=[chat_pb2.ContentPart(text=answer.text)], tool_calls=answer.tool_calls
    )
    results = [chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id=call.id) for call in answer.tool_calls]
    return [user("Weather?"), said, *results, user("And?")]


@pytest.fixture
def harness(joblog: JobLog, nats_url: str, tmp_path: Path) -> Harness:
    return Harness(joblog, nats_url, tmp_path)


@pytest.mark.parametrize("odd", ODD)
async def test_an_answer_is_taken_back_by_every_format(harness: Harness, odd: str) -> None:
    kind, answer = ODD[odd]
    scripted = ScriptedServer(answer, *(Reply(content_type=EVENTS, body=recorded.raw(name)) for name in KINDS.values()))
    async with scripted.running() as url:
        harness.catalog(catalog(kind, url))
        async with harness.routing(max_attempts=1):
            first = await harness.done(await harness.submit(asking(model="odd", messages=[user("Weather?")])))
            assert first.state == job_pb2.JOB_STATE_SUCCEEDED, first.error.message

            for name in KINDS:
                request = asking(model=name, messages=followed(first.answer))
                check_item(request)
                check("", request, MODELS)
                done: event_pb2.Done = await harness.done(await harness.submit(request))
                assert done.state == job_pb2.JOB_STATE_SUCCEEDED, done.error.message
    assert len(scripted.asked) == 1 + len(KINDS)


async def test_a_result_of_no_call_fails_with_what_to_do(harness: Harness) -> None:
    stray = chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id="c", parts=[chat_pb2.ContentPart(text="Rain")])
    scripted = ScriptedServer()
    async with scripted.running() as url:
        harness.catalog(catalog("openai", url))
        async with harness.routing(max_attempts=1):
            done = await harness.done(await harness.submit(asking(model="openai", messages=[stray, user("And?")])))

    assert done.error.reason == error_pb2.ERROR_REASON_UNSUPPORTED
    assert "send the assistant's message with the call" in done.error.message
    assert not scripted.asked
