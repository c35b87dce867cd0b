"""Answers that were asked for in a form: one off it is tried again, and never the answer of a job that succeeded."""

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.router.harness import OPENS_AT_ONCE, Harness, asking
from tests.router.services import Shelf
from tests.support.transcript import text_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_mock import MockProvider, Script, ToolCall

SUCCEEDED, FAILED = job_pb2.Attempt.RESULT_SUCCEEDED, job_pb2.Attempt.RESULT_FAILED
REPLACED = job_pb2.Attempt.RESULT_REPLACED
INVALID = error_pb2.ERROR_REASON_ANSWER_INVALID

CITY = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
CITY_FORMAT = chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="city", schema_json=json.dumps(CITY)))
GOOD, OFF, CUT = '{"city": "Paris"}', '{"city": 1}', '{"city": "Par'
PLACE = 'the answer is off its JSON schema: "/city": must be of type "string", is a number'
EXACT = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)

CHEAP_FIRST = """
[models.default]
routes = [{ provider = "mock", model = "small" }]
escalate = { to = "large" }

[models.large]
routes = [{ provider = "second", model = "large" }]
"""
DRAFTED = """
[models.default]
routes = [{ provider = "second", model = "large" }]
invalid_answers = 1
draft = "small"

[models.small]
routes = [{ provider = "mock", model = "small" }]
"""


def city(**fields: Any) -> job_pb2.GenerationRequest:
    return asking(response_format=CITY_FORMAT, **fields)


def results(done: event_pb2.Done) -> list[tuple[str, job_pb2.Attempt.Result.ValueType]]:
    return [(attempt.provider, attempt.result) for attempt in done.attempts]


def assert_failed(done: event_pb2.Done, *reasons: error_pb2.ErrorReason.ValueType) -> None:
    assert done.state == job_pb2.JOB_STATE_FAILED
    assert [attempt.error.reason for attempt in done.attempts] == list(reasons)
    assert done.error.reason == INVALID


async def test_an_answer_off_its_form_is_withdrawn_and_asked_for_again(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text=OFF), Script(text=GOOD))
    async with harness.routing():
        events = await harness.events(await harness.submit(city()))

    done = events[-1].done
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert text_of(events) == done.answer.text == GOOD
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.index("rewound") == len(kinds) - 1 - kinds[::-1].index("started") - 1
    assert results(done) == [("mock", FAILED), ("mock", SUCCEEDED)]
    assert done.attempts[0].error.reason == INVALID
    assert done.attempts[0].error.message.startswith(f"{PLACE}; ")
    assert done.attempts[0].usage.completion_tokens > 0


async def test_a_job_with_no_answer_in_its_form_fails_with_the_place(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text=OFF))
    async with harness.routing():
        events = await harness.events(await harness.submit(city()))

    done = events[-1].done
    assert_failed(done, INVALID, INVALID)
    assert done.error.message.startswith(f"{PLACE}; ")
    assert done.answer.text == text_of(events) == OFF
    assert mock.stats.requests == 2


@pytest.mark.parametrize("wanted", [CITY_FORMAT, chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Paris is the capital.", "line 1, column 1 (offset 0): expecting value"),
        (CUT, "line 1, column 10 (offset 9): unterminated string"),
        (f"```json {GOOD}```", "line 1, column 1 (offset 0): expecting value; it stands in a Markdown fence"),
    ],
)
async def test_an_answer_that_is_no_json_never_succeeds(
    harness: Harness, mock: MockProvider, wanted: chat_pb2.ResponseFormat, text: str, place: str
) -> None:
    mock.play(Script(text=text))
    async with harness.routing(max_attempts=1):
        done = await harness.done(await harness.submit(asking(response_format=wanted)))

    assert_failed(done, INVALID)
    assert done.error.message.startswith(f"the answer is not JSON at {place}; ")


async def test_an_answer_cut_by_max_tokens_is_not_asked_for_again(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text=CUT, finish_reason="length"))
    async with harness.routing():
        done = await harness.done(await harness.submit(city()))

    assert_failed(done, INVALID)
    assert done.error.message.startswith("the answer reached max_tokens inside the document; allow it more tokens (")
    assert not done.error.retryable


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Script(tool_calls=(ToolCall("find", "{}"),)), chat_pb2.FINISH_REASON_TOOL_CALLS),
        (Script(text="I cannot say.", finish_reason="content_filter"), chat_pb2.FINISH_REASON_CONTENT_FILTER),
        (Script(text=GOOD, finish_reason="length"), chat_pb2.FINISH_REASON_LENGTH),
    ],
)
async def test_what_needs_no_form_or_has_it_succeeds(
    harness: Harness, mock: MockProvider, script: Script, reason: chat_pb2.FinishReason.ValueType
) -> None:
    mock.play(script)
    async with harness.routing():
        done = await harness.done(await harness.submit(city()))

    assert (done.state, done.answer.finish_reason) == (job_pb2.JOB_STATE_SUCCEEDED, reason)
    assert len(done.attempts) == 1


async def test_another_provider_is_asked_first_and_no_breaker_opens(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text=OFF))
    second.play(Script(text=GOOD))
    routes = '[{ provider = "mock", model = "m" }, { provider = "second", model = "m" }]'
    pair.with_settings(f"[models.default]\nroutes = {routes}\n{OPENS_AT_ONCE}")
    async with pair.routing():
        dones = [await pair.done(await pair.submit(city())) for _ in range(3)]

    assert [results(done) for done in dones] == [[("mock", FAILED), ("second", SUCCEEDED)]] * 3


async def test_how_many_answers_off_their_form_fail_a_job_is_a_setting(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text=OFF))
    harness.catalog(harness.read_catalog().replace("timeouts", "invalid_answers = 3\ntimeouts"))
    async with harness.routing():
        assert_failed(await harness.done(await harness.submit(city())), *[INVALID] * 3)


async def test_only_an_answer_in_its_form_is_stored(harness: Harness, mock: MockProvider) -> None:
    shelf = Shelf()
    mock.play(Script(text=OFF), Script(text=OFF), Script(text=GOOD))
    async with shelf.running() as target, harness.routing(cache_target=target):
        assert_failed(await harness.done(await harness.submit(city(cache=EXACT))), INVALID, INVALID)
        await harness.done(await harness.submit(city(cache=EXACT)))
        _, stored = await shelf.stored.get()

    assert stored.answer.text == GOOD
    assert shelf.stored.empty()


async def test_jobs_that_share_a_call_share_its_failure_to_keep_the_form(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text=OFF, first_token_s=1.5), Script(text=OFF))
    joined = REGISTRY.get_sample_value("weft_router_flights_total", {"role": "joins"}) or 0.0
    async with harness.routing():
        jobs = [await harness.submit(city(cache=EXACT)) for _ in range(3)]
        dones = [await harness.done(job_id) for job_id in jobs]

    assert REGISTRY.get_sample_value("weft_router_flights_total", {"role": "joins"}) == joined + 2
    assert mock.stats.requests == 2
    for done in dones:
        assert_failed(done, INVALID, INVALID)


async def test_a_hedge_that_won_is_held_to_the_form(pair: Harness, mock: MockProvider, second: MockProvider) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text=OFF))
    routes = '[{ provider = "mock", model = "m" }, { provider = "second", model = "m" }]'
    hedge = "hedge = { after_s = 0.05, floor = 100 }\ninvalid_answers = 1"
    pair.with_settings(f"[models.default]\nroutes = {routes}\n{hedge}\n")
    async with pair.routing():
        done = await pair.done(await pair.submit(city()))

    assert results(done) == [("mock", job_pb2.Attempt.RESULT_LOST_RACE), ("second", FAILED)]
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, INVALID)


@pytest.mark.parametrize(("draft", "state"), [(GOOD, job_pb2.JOB_STATE_SUCCEEDED), (OFF, job_pb2.JOB_STATE_FAILED)])
async def test_a_draft_stands_only_in_its_form(
    pair: Harness, mock: MockProvider, second: MockProvider, draft: str, state: job_pb2.JobState.ValueType
) -> None:
    mock.play(Script(text=draft))
    second.play(Script(status=400, first_token_s=0.2))
    pair.with_settings(DRAFTED)
    async with pair.routing():
        done = await pair.done(await pair.submit(city(routing=job_pb2.Routing(draft=True))))

    assert done.state == state
    assert done.answer.text == draft


async def test_a_cheap_answer_off_its_form_is_replaced_at_once(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text=OFF))
    second.play(Script(text=GOOD))
    pair.with_settings(CHEAP_FIRST)
    async with pair.routing(max_attempts=1):
        events = await pair.events(await pair.submit(city()))

    done = events[-1].done
    assert text_of(events) == done.answer.text == GOOD
    assert results(done) == [("mock", REPLACED), ("second", SUCCEEDED)]
    assert done.attempts[0].chosen_because == (
        f"the only route; its answer was not of its form: it {PLACE.removeprefix('the answer ')}"
    )


@pytest.mark.parametrize("better", [Script(text=CUT), Script(status=400)])
async def test_a_cheap_answer_off_its_form_never_stands(
    pair: Harness, mock: MockProvider, second: MockProvider, better: Script
) -> None:
    mock.play(Script(text=OFF))
    second.play(better)
    pair.with_settings(CHEAP_FIRST)
    async with pair.routing():
        done = await pair.done(await pair.submit(city()))

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert results(done)[:2] == [("mock", REPLACED), ("second", FAILED)]
    assert done.error.reason == done.attempts[-1].error.reason


async def test_a_refusal_stands_where_no_better_answer_can_be_had(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="I cannot say.", finish_reason="content_filter"))
    second.play(Script(status=400))
    pair.with_settings(CHEAP_FIRST)
    async with pair.routing():
        done = await pair.done(await pair.submit(city()))

    assert (done.state, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "mock")
    assert done.answer.finish_reason == chat_pb2.FINISH_REASON_CONTENT_FILTER
