"""Answers that are larger than they may be, or than one message carries: one end, once, and nobody else is asked."""

import asyncio

import pytest
from tests.router.harness import Harness, asking
from tests.router.services import ENGINE_CATALOG, Engine
from tests.support.transcript import text_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_kit.joblog import text_hash
from weft_kit.rpc.errors import CannotStart
from weft_mock import MockProvider, Script, ToolCall

LIMIT = 256 * 1024
TOO_LARGE = error_pb2.ERROR_REASON_ANSWER_TOO_LARGE
LARGE_MODEL = "\nmax_output_tokens = 1_000_000\ncontext_tokens = 2_000_000\n"


def words(size_bytes: int) -> str:
    """A text of this size, in tokens of 50,000 characters."""
    return " ".join(["x" * 49_999] * (size_bytes // 50_000))


@pytest.fixture
def large(pair: Harness) -> Harness:
    """Two providers, of which the first is asked, for answers of a million tokens."""
    routes = '{ provider = "mock", model = "mock" }, { provider = "second", model = "mock" }'
    pair.with_settings(f"[models.default]\nroutes = [{routes}]\n{LARGE_MODEL}")
    return pair


async def test_an_answer_larger_than_may_be_fails_its_job_once_and_keeps_what_fits(
    large: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text=words(2_000_000), tokens_per_second=100))
    async with large.routing(max_answer_bytes=LIMIT):
        events = await large.events(await large.submit())
        await asyncio.wait_for(mock.next_abort(), 20)
    done = events[-1].done
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, TOO_LARGE)
    assert len(done.answer.text) == LIMIT
    assert text_of(events) == done.answer.text
    assert done.text_hash == text_hash(done.answer.text)
    assert [attempt.error.reason for attempt in done.attempts] == [TOO_LARGE]
    assert (mock.stats.requests, second.stats.requests) == (1, 0)


async def test_too_large_an_answer_does_not_count_against_its_provider(large: Harness, mock: MockProvider) -> None:
    large.with_settings("[breaker]\nminimum_calls = 1\nopen_s = 60.0\nlongest_open_s = 60.0\n")
    mock.play(Script(text=words(2_000_000)), Script())
    async with large.routing(max_answer_bytes=LIMIT):
        await large.done(await large.submit())
        done = await large.done(await large.submit(asking("And the next?")))
    assert (done.state, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "mock")


async def test_a_provider_that_ignores_max_tokens_is_held_to_them(harness: Harness, mock: MockProvider) -> None:
    mock.play(Script(text=words(5_000_000), tokens_per_second=100))
    async with harness.routing():
        events = await harness.events(await harness.submit(asking(sampling=chat_pb2.SamplingParams(max_tokens=16))))
        await asyncio.wait_for(mock.next_abort(), 20)
    done = events[-1].done
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.answer.finish_reason == chat_pb2.FINISH_REASON_LENGTH
    assert len(done.answer.text) < 100_000
    assert text_of(events) == done.answer.text
    assert mock.stats.requests == 1


async def test_an_answer_of_five_megabytes_arrives_whole(large: Harness, mock: MockProvider) -> None:
    text = words(5_000_000)
    mock.play(Script(text=text))
    async with large.routing():
        events = await large.events(await large.submit())
    done = events[-1].done
    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, text)
    assert text_of(events) == text


async def test_calls_of_tools_are_bounded_like_text(large: Harness, mock: MockProvider) -> None:
    calls = tuple(ToolCall("lookup", f'{{"k": "{"x" * 100_000}"}}') for _ in range(20))
    mock.play(Script(tool_calls=calls, finish_reason="tool_calls"))
    async with large.routing(max_answer_bytes=LIMIT):
        done = await large.done(await large.submit())
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, TOO_LARGE)
    assert mock.stats.requests == 1


async def test_a_job_taken_over_counts_what_its_text_has_already(harness: Harness) -> None:
    engine = Engine("said", "y" * 1000, "z" * 1000)
    before = "x" * (64 * 1024 - 1500)
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target) + LARGE_MODEL)
        job_id = await harness.submit()
        await harness.begun_and_lost(job_id, before)
        async with harness.routing(max_answer_bytes=64 * 1024):
            done = await harness.done(job_id)
    assert (done.state, done.error.reason) == (job_pb2.JOB_STATE_FAILED, TOO_LARGE)
    assert done.answer.text == before + "y" * 1000 + "z" * 500


async def test_one_message_of_an_engine_larger_than_the_log_carries_goes_in_parts(harness: Harness) -> None:
    text = "ä" * 1_500_000
    engine = Engine(text)
    async with engine.running() as target:
        harness.catalog(ENGINE_CATALOG.format(target=target) + LARGE_MODEL)
        async with harness.routing():
            events = await harness.events(await harness.submit())
    deltas = [event for event in events if event.HasField("delta")]
    assert max(delta.ByteSize() for delta in deltas) < 300_000
    assert sum(delta.delta.token_count for delta in deltas) == 1
    assert text_of(events) == events[-1].done.answer.text == text


async def test_a_router_does_not_start_with_a_log_that_could_not_carry_its_answers(harness: Harness) -> None:
    with pytest.raises(CannotStart, match="lower WEFT_ROUTER_MAX_ANSWER_BYTES"):
        async with harness.routing(max_answer_bytes=8 * 1024 * 1024):
            pass
