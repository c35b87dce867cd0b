"""Jobs that end as they should, and jobs whose providers do not let them."""

import asyncio

from tests.router.harness import Harness, asking, user
from tests.support.transcript import text_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_kit.joblog import text_hash
from weft_mock import MockProvider, Script, ToolCall
from weft_router.job.token_estimate import estimated_tokens

WEATHER = chat_pb2.Tool(name="weather", parameters_schema='{"type": "object"}')
TWO_ROUTES = """
[providers.dead]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"

[providers.alive]
kind = "openai"
base_url = "{url}"

[models.default]
routes = [{{ provider = "dead", model = "mock" }}, {{ provider = "alive", model = "mock" }}]
"""


async def test_a_job_is_answered_and_its_record_is_whole(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text="The capital of France is Paris."))
    async with harness.routing():
        events = await harness.events(await harness.submit())

    done = events[-1].done
    assert [event.WhichOneof("event") for event in events[:3]] == ["accepted", "started", "delta"]
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.answer.text == text_of(events) == "The capital of France is Paris."
    assert done.text_hash == text_hash(done.answer.text)
    assert done.answer.finish_reason == chat_pb2.FINISH_REASON_STOP
    assert (done.answer.provider, done.answer.provider_model) == ("mock", "mock")
    assert (done.answer.usage.completion_tokens, done.answer.usage.estimated) == (6, False)
    assert done.total_usage == done.answer.usage
    [attempt] = done.attempts
    assert (attempt.number, attempt.provider, attempt.chosen_because) == (1, "mock", "the only route")
    assert attempt.time_to_first_token.ToNanoseconds() <= attempt.duration.ToNanoseconds()
    assert done.start_time.ToNanoseconds() <= done.first_token_time.ToNanoseconds()
    assert await harness.unacknowledged() == 0


async def test_an_attempt_names_its_router_and_how_long_its_prompt_is_before_the_first_token(
    harness: Harness, mock: MockProvider
) -> None:
    question = "What is the capital of France? " * 100
    async with harness.routing(advertise="router-7:7602"):
        events = await harness.events(await harness.submit(asking(question)))

    [started] = [event.started for event in events if event.HasField("started")]
    assert started.worker == "router-7:7602"
    assert started.prompt_tokens_estimate == estimated_tokens([user(question)])
    assert [attempt.worker for attempt in events[-1].done.attempts] == ["router-7:7602"]


async def test_usage_is_estimated_when_the_provider_reports_none(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(tokens=5, usage=False))
    async with harness.routing():
        done = await harness.done(await harness.submit())

    assert done.answer.usage.estimated
    assert done.answer.usage.completion_tokens == 5
    assert done.answer.usage.prompt_tokens > 0


async def test_many_jobs_run_side_by_side(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(first_token_s=0.3))
    async with harness.routing():
        jobs = [await harness.submit() for _ in range(40)]
        async with asyncio.timeout(20):  # one after the other they would take twelve seconds
            ended = await asyncio.gather(*map(harness.done, jobs))

    assert {done.state for done in ended} == {job_pb2.JOB_STATE_SUCCEEDED}


async def test_a_provider_that_is_down_fails_a_job_that_does_not_wait_with_a_reason_and_a_record(
    harness: Harness,
) -> None:
    harness.catalog(TWO_ROUTES.format(url="http://127.0.0.1:1/v1"))
    impatient = job_pb2.RetryPolicy(on_outage=job_pb2.ON_OUTAGE_FAIL)
    async with harness.routing():
        done = await harness.done(await harness.submit(asking(retry_policy=impatient)))

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert done.error.retryable
    assert [attempt.provider for attempt in done.attempts] == ["dead", "alive", "dead", "alive", "dead"]
    assert {attempt.error.reason for attempt in done.attempts} == {error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE}


async def test_another_provider_answers_for_one_that_is_down(harness: Harness, mock_url: str) -> None:
    harness.catalog(TWO_ROUTES.format(url=mock_url))
    async with harness.routing():
        done = await harness.done(await harness.submit())

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.answer.provider == "alive"
    assert [attempt.HasField("error") for attempt in done.attempts] == [True, False]
    assert done.attempts[1].chosen_because == "more preferred routes are failing"


async def test_a_busy_provider_is_asked_again(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=429, retry_after="0.05"), Script(status=503), Script(text="At last."))
    async with harness.routing():
        done = await harness.done(await harness.submit())

    assert done.answer.text == "At last."
    overloaded = error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
    assert [attempt.error.reason for attempt in done.attempts] == [overloaded, overloaded, 0]


async def test_a_request_the_provider_refuses_is_not_sent_again(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=400))
    async with harness.routing():
        done = await harness.done(await harness.submit())

    assert done.error.reason == error_pb2.ERROR_REASON_PROVIDER_REJECTED
    assert not done.error.retryable
    assert mock.stats.requests == 1


async def test_tool_calls_arrive_whole(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(tool_calls=(ToolCall("weather", '{"city": "Paris"}'), ToolCall("time", "{}"))))
    async with harness.routing():
        done = await harness.done(await harness.submit(asking(tools=[WEATHER])))

    assert done.answer.finish_reason == chat_pb2.FINISH_REASON_TOOL_CALLS
    assert [(call.id, call.name, call.arguments_json) for call in done.answer.tool_calls] == [
        ("call_0", "weather", '{"city": "Paris"}'),
        ("call_1", "time", "{}"),
    ]


async def test_a_tool_call_that_is_cut_off_is_a_failure(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(tool_calls=(ToolCall("weather", '{"city": '),)))
    async with harness.routing(max_attempts=1):
        done = await harness.done(await harness.submit(asking(tools=[WEATHER])))

    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    [attempt] = done.attempts
    assert attempt.error.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN
    assert "weather" in attempt.error.message
    assert not done.answer.tool_calls
