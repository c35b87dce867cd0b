"""Jobs answered by providers of each kind: what a reader gets, and what stands in the record."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.router import recorded
from tests.router.chat import user
from tests.router.harness import Harness, asking
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.joblog import JobLog
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.server import Server

CATALOG = """
[providers.asked]
kind = "{kind}"
base_url = "{url}"
{settings}

[models.default]
routes = [{{ provider = "asked", model = "m" }}]
"""


@pytest.fixture
def harness(joblog: JobLog, nats_url: str, tmp_path: Path) -> Harness:
    return Harness(joblog, nats_url, tmp_path)


@asynccontextmanager
async def routing(
    harness: Harness, kind: str, scripted: ScriptedServer, settings: str = "", max_attempts: int = 1
) -> AsyncIterator[Server]:
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(kind=kind, url=url, settings=settings))
        async with harness.routing(max_attempts=max_attempts) as server:
            yield server


def recording(name: str) -> Reply:
    return Reply(content_type=EVENTS, body=recorded.raw(name))


async def test_reasoning_and_the_providers_own_word_are_kept_apart_from_the_answer(harness: Harness) -> None:
    async with routing(harness, "gemini", ScriptedServer(recording("gemini-text"))):
        *events, last = await harness.events(await harness.submit())

    answer = last.done.answer
    assert (answer.text, answer.reasoning) == ("Drei Bäume 🌳", "I count.")
    assert (answer.finish_reason, answer.raw_finish_reason) == (chat_pb2.FINISH_REASON_STOP, "STOP")
    assert (answer.usage.cached_prompt_tokens, answer.usage.reasoning_tokens) == (32, 12)
    assert "".join(event.delta.reasoning for event in events) == "I count."
    assert last.done.total_usage == answer.usage


async def test_a_conversation_with_tools_goes_on_with_all_its_provider_needs(harness: Harness) -> None:
    tool = chat_pb2.Tool(name="weather", description="Tells", parameters_schema='{"type": "object"}')
    scripted = ScriptedServer(recording("anthropic-thinking-tools"), recording("anthropic-text"))
    async with routing(harness, "anthropic", scripted):
        first = await harness.done(await harness.submit(asking(tools=[tool])))
        turn = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=first.answer.tool_calls)
        results = [
            chat_pb2.Message(role=chat_pb2.ROLE_TOOL, tool_call_id=call.id, parts=[chat_pb2.ContentPart(text="Rain")])
            for call in first.answer.tool_calls
        ]
        second = await harness.done(
            await harness.submit(asking(messages=[user("Weather?"), turn, *results], tools=[tool]))
        )

    assert first.answer.finish_reason == chat_pb2.FINISH_REASON_TOOL_CALLS
    assert second.answer.text == "Bonjour, Zoë"
    assert scripted.asked[1].json["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Rain? Ask.",
        "signature": "c2ln",
    }


async def test_a_call_cut_off_by_its_limit_is_not_tried_again(harness: Harness) -> None:
    body = recorded.raw("openai-tools").split(b'data: {"id":"c1"')
    cut = b'data: {"id":"c1"'.join(body[:4]) + b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n'
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=cut + b"data: [DONE]\n\n"))
    async with routing(harness, "openai", scripted):
        done = await harness.done(await harness.submit())

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert "max_tokens" in done.error.message
    assert not done.error.retryable


def chat(*choices: dict[str, object]) -> Reply:
    """An answer in chat completions, with usage."""
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
    events = [json.dumps(event) for event in (*({"choices": [choice]} for choice in choices), usage)]
    body = "".join(f"data: {event}\n\n" for event in (*events, "[DONE]"))
    return Reply(content_type=EVENTS, body=body.encode())


HALF = chat({"delta": {"content": "Half an ans"}}, {"delta": {}, "finish_reason": "abort"})
SILENT = chat({"delta": {"role": "assistant"}}, {"delta": {}, "finish_reason": "stop"})
WHOLE = chat({"delta": {"content": "Whole."}, "finish_reason": "stop"})


async def test_an_answer_that_its_provider_gave_up_is_withdrawn_and_asked_for_again(harness: Harness) -> None:
    """vllm-project/vllm#57082: a stream that ends in good order, with `abort`."""
    scripted = ScriptedServer(HALF, WHOLE)
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(kind="openai", url=url, settings=""))
        async with harness.routing(max_attempts=2):
            done = await harness.done(await harness.submit())

    assert (done.answer.text, done.answer.raw_finish_reason) == ("Whole.", "stop")
    assert "abort" in done.attempts[0].error.message
    assert done.attempts[0].usage.completion_tokens == 3


async def test_an_answer_that_is_given_up_each_time_fails_its_job(harness: Harness) -> None:
    async with routing(harness, "openai", ScriptedServer(HALF)):
        done = await harness.done(await harness.submit())

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_FAILED, "Half an ans")


async def test_an_end_that_is_not_known_is_told_in_the_providers_own_word(harness: Harness) -> None:
    async with routing(
        harness, "openai", ScriptedServer(chat({"delta": {"content": "Whole."}, "finish_reason": "<|im_end|>"}))
    ):
        done = await harness.done(await harness.submit())

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "Whole.")
    assert done.answer.finish_reason == chat_pb2.FINISH_REASON_UNSPECIFIED
    assert done.answer.raw_finish_reason == "<|im_end|>"


@pytest.mark.parametrize(
    "call", [{"id": "c", "function": {"arguments": "{}"}}, {"id": "c", "function": {"name": "f", "arguments": "{"}}]
)
async def test_a_broken_call_never_succeeds(harness: Harness, call: dict[str, object]) -> None:
    async with routing(
        harness, "openai", ScriptedServer(chat({"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}))
    ):
        done = await harness.done(await harness.submit())

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert done.attempts[0].error.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN


@pytest.mark.parametrize(
    ("replies", "attempts", "text", "asked"),
    [
        ([SILENT, WHOLE], 5, "Whole.", 2),
        ([SILENT], 5, "", 2),  # it is meant
        ([SILENT, Reply(400)], 5, "", 2),  # nobody else has an answer: the silent one stands
        ([SILENT], 1, "", 1),
    ],
)
async def test_an_answer_that_says_nothing_is_asked_for_once_more_and_then_believed(
    harness: Harness, replies: list[Reply], attempts: int, text: str, asked: int
) -> None:
    """anomalyco/opencode#37735 has it as a fault, docs.claude.com/en/api/handling-stop-reasons as an answer."""
    scripted = ScriptedServer(*replies)
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(kind="openai", url=url, settings=""))
        async with harness.routing(max_attempts=attempts):
            events = await harness.events(await harness.submit())

    done = events[-1].done
    assert (done.state, done.answer.text, len(scripted.asked)) == (job_pb2.JOB_STATE_SUCCEEDED, text, asked)
    assert done.answer.finish_reason == chat_pb2.FINISH_REASON_STOP
    kept = [one for one in done.attempts if one.result == job_pb2.Attempt.RESULT_SUCCEEDED]
    assert len(kept) == 1
    assert done.answer.usage == kept[0].usage
    assert done.total_usage.completion_tokens == sum(one.usage.completion_tokens for one in done.attempts)


async def test_reasoning_that_was_said_by_half_is_withdrawn(harness: Harness) -> None:
    whole = recorded.raw("openai-reasoning")
    half = whole[: whole.index(b"think.") + len(b'think."}}]}\n\n')]
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=half), recording("openai-text"))
    async with scripted.running() as url:
        harness.catalog(CATALOG.format(kind="openai", url=url, settings=""))
        async with harness.routing(max_attempts=2):
            events = await harness.events(await harness.submit())

    assert [event.WhichOneof("event") for event in events].count("rewound") == 1
    assert (events[-1].done.answer.text, events[-1].done.answer.reasoning) == ("Zwölf Käuze — 十二。", "")


async def test_what_no_provider_can_take_is_said_without_asking_one(harness: Harness) -> None:
    scripted = ScriptedServer(recording("responses-text"))
    async with routing(harness, "openai_responses", scripted, "takes_images = false"):
        image = chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.png"))
        request = asking(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[image])])
        done: event_pb2.Done = await harness.done(await harness.submit(request))

    assert done.error.reason == error_pb2.ERROR_REASON_UNSUPPORTED
    assert not scripted.asked


async def test_a_checkup_asks_every_provider_and_says_what_is_wrong(harness: Harness) -> None:
    scripted = ScriptedServer(Reply(), Reply(401))
    async with routing(harness, "openai", scripted) as server, Channel(server.address, "router") as channel:
        stub: rpc.RouterServiceAsyncStub = rpc.RouterServiceStub(channel.raw)
        well = await stub.CheckProviders(pb.CheckProvidersRequest())
        ill = await stub.CheckProviders(pb.CheckProvidersRequest(names=["asked"]))

    [check] = well.checks
    assert (check.name, check.kind, check.HasField("error")) == ("asked", "openai", False)
    assert check.latency.ToNanoseconds() > 0
    assert "api_key_env" in ill.checks[0].error.message


def events(*chunks: object) -> Reply:
    return Reply(content_type=EVENTS, body=b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks))


HEARD = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
SPENT = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 400, "total_tokens": 409}}
FAILED = {"error": {"message": "gone", "type": "server_error"}}


@pytest.mark.parametrize(
    ("chunks", "booked"),
    [
        # (prompt, completion, estimated); https://openrouter.ai/docs/api/reference/errors: errors within a stream
        ((HEARD, SPENT, FAILED), (9, 400, False)),
        ((SPENT, FAILED), (9, 400, False)),  # thoughts alone, before any text
        ((FAILED | {"usage": SPENT["usage"]},), (9, 400, False)),
        ((HEARD, {"choices": 5}), (9, 1, True)),
        ((FAILED,), (0, 0, False)),
    ],
)
async def test_an_attempt_that_breaks_books_what_it_spent(
    harness: Harness, chunks: tuple[object, ...], booked: tuple[int, int, bool]
) -> None:
    async with routing(harness, "openai", ScriptedServer(events(*chunks))):
        done = await harness.done(await harness.submit())

    assert done.state == job_pb2.JOB_STATE_FAILED
    [attempt] = done.attempts
    prompt, completion, estimated = booked
    assert (attempt.usage.completion_tokens, attempt.usage.estimated) == (completion, estimated)
    assert attempt.usage.prompt_tokens == prompt or (estimated and attempt.usage.prompt_tokens)
    assert done.total_usage == attempt.usage
    assert not done.answer.text or done.answer.usage == attempt.usage


async def test_an_event_that_no_attempt_could_read_costs_one_attempt_and_says_why(harness: Harness) -> None:
    scripted = ScriptedServer(events({"choices": [{"index": 0, "delta": {"content": 5}}]}))
    async with routing(harness, "openai", scripted, max_attempts=5):
        done = await harness.done(await harness.submit())

    assert done.error.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN
    assert "delta.content" in done.error.message
    assert len(scripted.asked) == 1


async def test_an_answer_with_odd_counts_is_booked_by_what_can_be_seen(harness: Harness) -> None:
    counted = {"choices": [], "usage": {"prompt_tokens": -5, "completion_tokens": 1e300, "total_tokens": "many"}}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    async with routing(harness, "openai", ScriptedServer(events(HEARD, end, counted))):
        done = await harness.done(await harness.submit())

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    usage = done.answer.usage
    assert (usage.completion_tokens, usage.estimated) == (1, True)
    assert usage.prompt_tokens > 0
