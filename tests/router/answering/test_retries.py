"""Attempts that fail and are made again: from where the text stands, or from the beginning, and all on record."""

import asyncio

from tests.router.harness import NEVER_OPENS, OPENS_AT_ONCE, Harness, asking, overloads
from tests.router.services import ENGINE_CATALOG, USAGE, Engine
from tests.support.transcript import text_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.joblog import text_hash
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import Draining, InvalidFields, Overloaded
from weft_mock import Fault, MockProvider, Script, ToolCall

BUSY = Overloaded("the engine dropped it; retry", 0.01)
WEATHER = chat_pb2.Tool(name="weather", parameters_schema='{"type": "object"}')


def kinds(events: list[event_pb2.JobEvent]) -> list[str]:
    """What happened, without how often tokens came."""
    names = [event.WhichOneof("event") or "" for event in events]
    return [name for place, name in enumerate(names) if name != "delta" or names[place - 1] != "delta"]


def reasons(done: event_pb2.Done) -> list[str]:
    return [error_pb2.ErrorReason.Name(a.error.reason).removeprefix("ERROR_REASON_") for a in done.attempts]


async def test_a_stream_that_breaks_off_is_started_over_where_nobody_can_go_on(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(text="One two three four.", fault=Fault.RESET, at_token=2), Script(text="Eins zwei drei."))
    async with harness.routing():
        events = await harness.events(await harness.submit())

    done = events[-1].done
    assert kinds(events) == ["accepted", "started", "delta", "rewound", "started", "delta", "done"]
    assert text_of(events) == done.answer.text == "Eins zwei drei."
    assert done.text_hash == text_hash(done.answer.text)
    assert reasons(done) == ["PROVIDER_STREAM_BROKEN", "UNSPECIFIED"]
    assert (done.answer.usage.completion_tokens, done.answer.usage.estimated) == (3, False)
    assert (done.total_usage.completion_tokens, done.total_usage.estimated) == (5, True)


async def test_a_stream_that_breaks_off_is_gone_on_with_where_the_engine_can(harness: Harness) -> None:
    engine = Engine("One ", "two ", "three ", "four.")
    engine.interruptions = [(2, BUSY), (1, BUSY)]
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        async with harness.routing():
            events = await harness.events(await harness.submit(asking(sampling=chat_pb2.SamplingParams(max_tokens=10))))

    done = events[-1].done
    assert "rewound" not in kinds(events)
    assert text_of(events) == done.answer.text == "One two three four."
    assert [request.prefix for request in engine.requests] == ["", "One two ", "One two three "]
    assert [request.sampling.max_tokens for request in engine.requests] == [10, 8, 7]
    starts = [event.started for event in events if event.HasField("started")]
    deltas = [event.sequence for event in events if event.HasField("delta")]
    assert starts[0].resumes_after == 0
    assert starts[1].resumes_after in deltas
    assert starts[2].resumes_after in deltas
    assert starts[2].resumes_after > starts[1].resumes_after
    assert (done.answer.usage.completion_tokens, done.answer.usage.estimated) == (4, True)
    assert done.total_usage.completion_tokens == 3 + USAGE.completion_tokens


async def test_a_failure_that_no_try_can_help_ends_the_job_and_keeps_what_was_said(harness: Harness) -> None:
    engine = Engine("One ", "two ", "three.")
    engine.interruptions = [(2, InvalidFields({"messages": "too strange to go on with"}))]
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        async with harness.routing():
            events = await harness.events(await harness.submit())

    done = events[-1].done
    assert done.error.reason == error_pb2.ERROR_REASON_PROVIDER_REJECTED
    assert not done.error.retryable
    assert done.answer.text == text_of(events) == "One two "
    assert (done.total_usage.completion_tokens, done.total_usage.estimated) == (2, True)
    assert len(engine.requests) == 1


async def test_tool_calls_that_were_cut_off_leave_nothing_behind(harness: Harness, mock: MockProvider) -> None:
    cut_off = Script(tool_calls=(ToolCall("weather", '{"city": "Par'), ToolCall("time", "{}")))
    mock.play(cut_off, Script(tool_calls=(ToolCall("weather", '{"city": "Lyon"}'),)))
    async with harness.routing():
        events = await harness.events(await harness.submit(asking(tools=[WEATHER])))

    done = events[-1].done
    assert "rewound" in kinds(events)
    assert [(call.name, call.arguments_json) for call in done.answer.tool_calls] == [("weather", '{"city": "Lyon"}')]
    assert reasons(done) == ["PROVIDER_STREAM_BROKEN", "UNSPECIFIED"]
    assert done.total_usage.prompt_tokens == 2 * done.answer.usage.prompt_tokens
    assert not done.total_usage.estimated


async def test_usage_reported_before_a_stream_broke_is_counted_as_reported(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(tokens=5, finish_reason="", fault=Fault.NO_DONE), Script(tokens=3))
    async with harness.routing():
        done = await harness.done(await harness.submit())

    assert (done.answer.usage.completion_tokens, done.total_usage.completion_tokens) == (3, 8)
    assert not done.total_usage.estimated


async def test_a_poisonous_job_ends_with_every_attempt_on_record(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500), Script(fault=Fault.RESET), Script(status=408), Script(fault=Fault.BAD_JSON))
    harness.with_settings(NEVER_OPENS)
    async with harness.routing():
        done = await harness.done(await harness.submit())

    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    broken = "PROVIDER_STREAM_BROKEN"
    assert reasons(done) == ["PROVIDER_ERROR", broken, "PROVIDER_TIMEOUT", broken, broken]
    assert all(attempt.HasField("duration") and attempt.HasField("start_time") for attempt in done.attempts)
    assert mock.stats.requests == 5
    assert await harness.unacknowledged() == 0


async def test_each_attempt_says_in_the_log_how_the_one_before_ended(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500), Script(status=429), Script(text="At last."))
    async with harness.routing():
        events = await harness.events(await harness.submit())

    first, second, third = [event.started for event in events if event.HasField("started")]
    assert not first.HasField("previous")
    assert [second.previous, third.previous] == list(events[-1].done.attempts)[:2]


async def test_the_reasons_of_attempts_outlive_their_worker(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    job_id = await harness.submit()
    timed_out = job_pb2.Attempt(number=1, provider="slow", chosen_because="the only route")
    timed_out.error.reason = error_pb2.ERROR_REASON_PROVIDER_TIMEOUT
    timed_out.duration.FromMilliseconds(1500)
    async with harness.lost_worker() as take:
        lease = await asyncio.wait_for(take(), 20)
        writer = harness.log.writer(job_id, lease.event.sequence)
        await writer.append(event_pb2.Started(attempt=1, provider="slow"))
        await writer.append(event_pb2.Started(attempt=2, provider="lost", previous=timed_out))
    async with harness.routing(max_attempts=3):
        done = await harness.done(job_id)

    assert done.attempts[0] == timed_out
    assert reasons(done) == ["PROVIDER_TIMEOUT", "DEPENDENCY_DOWN", "PROVIDER_ERROR", "PROVIDER_ERROR"]


async def test_a_job_that_fails_over_several_workers_ends_with_every_reason(
    harness: Harness, mock: MockProvider
) -> None:
    mock.play(Script(status=429, retry_after="20"), Script(status=500), Script(fault=Fault.RESET))
    before = overloads()
    async with harness.routing(longest_wait_s=20):
        job_id = await harness.submit()
        await harness.until(lambda: overloads() > before)
    async with asyncio.timeout(20), harness.routing(max_attempts=2):
        events = await harness.events(job_id)

    done = events[-1].done
    assert reasons(done) == ["PROVIDER_OVERLOADED", "PROVIDER_ERROR", "PROVIDER_STREAM_BROKEN"]
    assert all(attempt.HasField("duration") for attempt in done.attempts)
    assert kinds(events)[:4] == ["accepted", "started", "released", "started"]


async def test_a_wait_longer_than_the_job_lives_fails_it_at_once(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=429, retry_after="3600"))
    async with harness.routing():
        async with asyncio.timeout(20):
            done = await harness.done(await harness.submit(lives_s=30))

    assert done.error.reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
    assert "left alone for 3600.0 s" in done.error.message
    assert mock.stats.requests == 1


async def asked(engine: Engine, harness: Harness) -> tuple[event_pb2.Done, pb.Provider]:
    """Runs a job on an engine whose breaker opens at once; returns its end, and how the router sees the engine."""
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target))
        harness.with_settings(OPENS_AT_ONCE)
        async with harness.routing() as server, Channel(server.address, "router") as channel:
            async with asyncio.timeout(20):
                done = await harness.done(await harness.submit())
            stub: rpc.RouterServiceAsyncStub = rpc.RouterServiceStub(channel.raw)
            [provider] = (await stub.ListProviders(pb.ListProvidersRequest())).providers
            return done, provider


async def test_an_engine_that_shuts_down_is_asked_again_at_once_and_trips_no_breaker(harness: Harness) -> None:
    engine = Engine("One ", "two.")
    engine.interruptions = [(0, Draining(retry_after_s=60)), (0, Draining()), (1, Draining())]
    done, provider = await asked(engine, harness)

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "One two.")
    assert len(done.attempts) == 4
    assert provider.breaker == pb.Provider.BREAKER_CLOSED


async def test_a_schema_that_the_engine_refuses_fails_the_job_once_and_trips_no_breaker(harness: Harness) -> None:
    problem = "cannot be turned into a grammar by the engine; simplify it"
    engine = Engine("One.")
    engine.fails = InvalidFields({"response_format.json_schema.schema_json": problem})
    engine.interruptions = [(0, engine.fails)]
    done, provider = await asked(engine, harness)

    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, error_pb2.ERROR_REASON_PROVIDER_REJECTED)
    assert not done.error.retryable
    assert problem in done.error.message
    assert len(done.attempts) == len(engine.requests) == 1
    assert provider.breaker == pb.Provider.BREAKER_CLOSED


async def test_the_short_limits_of_one_tenant_open_no_breaker_for_the_others(
    harness: Harness, mock: MockProvider
) -> None:
    impatient = asking(retry_policy=job_pb2.RetryPolicy(max_attempts=2))
    impatient.routing.first_token_timeout.FromMilliseconds(100)
    mock.play(Script(first_token_s=30))
    harness.with_settings(OPENS_AT_ONCE)
    async with harness.routing() as server, Channel(server.address, "router") as channel:
        async with asyncio.timeout(20):
            given_up = await harness.done(await harness.submit(impatient, tenant="hasty"))
        stub: rpc.RouterServiceAsyncStub = rpc.RouterServiceStub(channel.raw)
        [provider] = (await stub.ListProviders(pb.ListProvidersRequest())).providers
        mock.play(Script())
        answered = await harness.done(await harness.submit(tenant="calm"))

    assert reasons(given_up) == ["PROVIDER_TIMEOUT"] * 2
    assert provider.breaker == pb.Provider.BREAKER_CLOSED
    assert (answered.state, len(answered.attempts)) == (job_pb2.JOB_STATE_SUCCEEDED, 1)


async def test_another_provider_answers_for_an_engine_that_shuts_down(harness: Harness, mock_url: str) -> None:
    engine = Engine("One.")
    engine.fails = Draining(retry_after_s=60)
    async with engine.running() as target:
        catalog = ENGINE_CATALOG.format(target=target).replace(
            '"engine" }', '"engine" }, { provider = "mock", model = "mock" }'
        )
        harness.catalog(f'{catalog}\n[providers.mock]\nkind = "openai"\nbase_url = "{mock_url}"\n')
        async with asyncio.timeout(20), harness.routing():
            done = await harness.done(await harness.submit())

    assert (done.state, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "mock")
