"""Who is asked beside whom, who writes into the log, and what becomes of those who were too slow."""

import asyncio
import time

import pytest
from tests.router.answering.races import AT_ONCE, BOTH, FAILED, HEDGED, LOST, SOON_S, SUCCEEDED, results, starts
from tests.router.harness import Harness, asking
from tests.support.transcript import text_of

from weft.job.v1 import job_pb2
from weft_mock import Fault, MockProvider, Script


async def test_a_late_first_token_is_overtaken_by_a_second_provider(
    hedged: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text="The second one."))
    async with hedged.routing():
        began = time.monotonic()
        events = await hedged.events(await hedged.submit())
        took_s = time.monotonic() - began
        await asyncio.wait_for(mock.next_abort(), SOON_S)

    done = events[-1].done
    assert took_s < 3
    assert text_of(events) == done.answer.text == "The second one."
    assert (done.answer.provider, results(done)) == ("second", [("mock", LOST), ("second", SUCCEEDED)])
    assert done.attempts[1].chosen_because.startswith("hedge: no token after 50 ms")
    assert starts(events) == ["mock", "second"]
    second_start = [event.started for event in events if event.HasField("started")][1]
    assert (second_start.attempt, second_start.previous.result) == (2, LOST)


WORDLESS = Script(tokens=0)


@pytest.mark.parametrize("settings", [HEDGED, AT_ONCE])
async def test_an_answer_without_a_word_waits_for_those_that_may_have_one(
    pair: Harness, mock: MockProvider, second: MockProvider, settings: str
) -> None:
    mock.play(Script(text="The slow one.", first_token_s=0.4))
    second.play(WORDLESS)
    pair.with_settings(settings)
    done = (await pair.run())[-1].done

    assert done.answer.text == "The slow one."
    assert sorted(results(done)) == [("mock", SUCCEEDED), ("second", LOST)]


async def test_where_nobody_has_a_word_the_last_ends_the_race(
    at_once: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(WORDLESS, WORDLESS)
    second.play(WORDLESS, WORDLESS)
    done = (await at_once.run())[-1].done

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert not done.answer.text


async def test_a_call_that_lost_is_booked_with_the_prompt_it_read(
    hedged: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text="The second one."))
    done = (await hedged.run())[-1].done

    lost = done.attempts[0].usage
    assert lost.estimated
    assert lost.prompt_tokens > 0
    assert done.total_usage.prompt_tokens == lost.prompt_tokens + done.answer.usage.prompt_tokens


async def test_the_first_provider_wins_where_it_is_quicker_after_all(
    hedged: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.15, text="The first one."))
    second.play(Script(first_token_s=5))
    async with hedged.routing():
        events = await hedged.events(await hedged.submit())
        await asyncio.wait_for(second.next_abort(), SOON_S)

    done = events[-1].done
    assert text_of(events) == done.answer.text == "The first one."
    assert (done.answer.provider, results(done)) == ("mock", [("mock", SUCCEEDED), ("second", LOST)])
    assert starts(events) == ["mock"]


async def test_a_quick_first_token_needs_no_second_provider(
    hedged: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(tokens=20, tokens_per_second=100))
    done = (await hedged.run())[-1].done

    assert results(done) == [("mock", SUCCEEDED)]
    assert second.stats.requests == 0


async def test_no_more_calls_are_hedged_than_are_allowed(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.2))
    pair.with_settings(f"{BOTH}hedge = {{ after_s = 0.02, floor = 2, share = 0.0 }}\n")
    async with pair.routing():
        ids = [await pair.submit() for _ in range(6)]
        for job_id in ids:
            assert (await pair.done(job_id)).state == job_pb2.JOB_STATE_SUCCEEDED

    assert second.stats.requests == 2


async def test_a_hedge_goes_on_where_the_first_provider_fails_beside_it(
    hedged: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.1, status=500))
    second.play(Script(first_token_s=0.2, text="The second one."))
    done = (await hedged.run())[-1].done

    assert results(done) == [("mock", FAILED), ("second", SUCCEEDED)]
    assert second.stats.requests == 1


async def test_a_winner_that_breaks_off_is_tried_again_like_any_other(
    hedged: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5), Script(text="At last."))
    second.play(Script(text="One two three.", fault=Fault.RESET, at_token=2))
    events = await hedged.run()

    done = events[-1].done
    assert text_of(events) == done.answer.text == "At last."
    assert results(done) == [("mock", LOST), ("second", FAILED), ("mock", SUCCEEDED)]
    assert [attempt.number for attempt in done.attempts] == [1, 2, 3]


async def test_several_providers_asked_at_once_leave_one_answer(
    at_once: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.1, text="The first one."))
    second.play(Script(text="The second one."))
    async with at_once.routing():
        events = await at_once.events(await at_once.submit())
        one = await at_once.done(await at_once.submit(asking(routing=job_pb2.Routing(first_of=1))))

    done = events[-1].done
    assert text_of(events) == done.answer.text == "The second one."
    assert sorted(results(done)) == sorted([("mock", LOST), ("second", SUCCEEDED)])
    assert results(one) == [("mock", SUCCEEDED)]


async def test_when_all_that_were_asked_at_once_fail_another_try_is_made(
    at_once: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(status=500), Script(text="At last."))
    second.play(Script(status=500), Script(first_token_s=5))
    done = (await at_once.run())[-1].done

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "At last.")


async def test_a_cancel_reaches_everybody_in_a_race(at_once: Harness, mock: MockProvider, second: MockProvider) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(first_token_s=5))
    async with at_once.routing():
        job_id = await at_once.submit()
        await asyncio.gather(mock.next_request(), second.next_request())
        await at_once.log.request_cancel(job_id, "enough")
        done = await at_once.done(job_id)
        await asyncio.wait_for(asyncio.gather(mock.next_abort(), second.next_abort()), SOON_S)

    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert all(attempt.result == job_pb2.Attempt.RESULT_STOPPED for attempt in done.attempts)
