"""Who is asked beside whom, who writes into the log, and what becomes of those who were too slow."""

import asyncio
import time
from collections.abc import Iterable

import pytest
from tests.router.harness import Harness, asking
from tests.support.transcript import text_of

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_mock import Fault, MockProvider, Script

SUCCEEDED, FAILED = job_pb2.Attempt.RESULT_SUCCEEDED, job_pb2.Attempt.RESULT_FAILED
LOST, REPLACED = job_pb2.Attempt.RESULT_LOST_RACE, job_pb2.Attempt.RESULT_REPLACED

BOTH = """
[models.default]
routes = [{ provider = "mock", model = "m" }, { provider = "second", model = "m" }]
"""
HEDGED = f"{BOTH}hedge = {{ after_s = 0.05, floor = 100 }}\n"
AT_ONCE = f"{BOTH}first_of = 2\n"
DRAFTED = """
[models.default]
routes = [{ provider = "second", model = "large" }]
draft = "small"

[models.small]
routes = [{ provider = "mock", model = "small" }]
"""
SOON_S = 0.25


def results(done: event_pb2.Done) -> list[tuple[str, job_pb2.Attempt.Result.ValueType]]:
    return [(attempt.provider, attempt.result) for attempt in done.attempts]


def starts(events: Iterable[event_pb2.JobEvent]) -> list[str]:
    return [event.started.provider for event in events if event.HasField("started")]


async def test_a_late_first_token_is_overtaken_by_a_second_provider(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text="The second one."))
    pair.with_settings(HEDGED)
    async with pair.routing():
        began = time.monotonic()
        events = await pair.events(await pair.submit())
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
    async with pair.routing():
        done = await pair.done(await pair.submit())

    assert done.answer.text == "The slow one."
    assert sorted(results(done)) == [("mock", SUCCEEDED), ("second", LOST)]


async def test_where_nobody_has_a_word_the_last_ends_the_race(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(WORDLESS, WORDLESS)
    second.play(WORDLESS, WORDLESS)
    pair.with_settings(AT_ONCE)
    async with pair.routing():
        done = await pair.done(await pair.submit())

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert not done.answer.text


async def test_a_call_that_lost_is_booked_with_the_prompt_it_read(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text="The second one."))
    pair.with_settings(HEDGED)
    async with pair.routing():
        done = await pair.done(await pair.submit())

    lost = done.attempts[0].usage
    assert lost.estimated
    assert lost.prompt_tokens > 0
    assert done.total_usage.prompt_tokens == lost.prompt_tokens + done.answer.usage.prompt_tokens


async def test_the_first_provider_wins_where_it_is_quicker_after_all(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.15, text="The first one."))
    second.play(Script(first_token_s=5))
    pair.with_settings(HEDGED)
    async with pair.routing():
        events = await pair.events(await pair.submit())
        await asyncio.wait_for(second.next_abort(), SOON_S)

    done = events[-1].done
    assert text_of(events) == done.answer.text == "The first one."
    assert (done.answer.provider, results(done)) == ("mock", [("mock", SUCCEEDED), ("second", LOST)])
    assert starts(events) == ["mock"]


async def test_a_quick_first_token_needs_no_second_provider(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(tokens=20, tokens_per_second=100))
    pair.with_settings(HEDGED)
    async with pair.routing():
        done = await pair.done(await pair.submit())

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
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.1, status=500))
    second.play(Script(first_token_s=0.2, text="The second one."))
    pair.with_settings(HEDGED)
    async with pair.routing():
        done = await pair.done(await pair.submit())

    assert results(done) == [("mock", FAILED), ("second", SUCCEEDED)]
    assert second.stats.requests == 1


async def test_a_winner_that_breaks_off_is_tried_again_like_any_other(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5), Script(text="At last."))
    second.play(Script(text="One two three.", fault=Fault.RESET, at_token=2))
    pair.with_settings(HEDGED)
    async with pair.routing():
        events = await pair.events(await pair.submit())

    done = events[-1].done
    assert text_of(events) == done.answer.text == "At last."
    assert results(done) == [("mock", LOST), ("second", FAILED), ("mock", SUCCEEDED)]
    assert [attempt.number for attempt in done.attempts] == [1, 2, 3]


async def test_several_providers_asked_at_once_leave_one_answer(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.1, text="The first one."))
    second.play(Script(text="The second one."))
    pair.with_settings(AT_ONCE)
    async with pair.routing():
        events = await pair.events(await pair.submit())
        one = await pair.done(await pair.submit(asking(routing=job_pb2.Routing(first_of=1))))

    done = events[-1].done
    assert text_of(events) == done.answer.text == "The second one."
    assert sorted(results(done)) == sorted([("mock", LOST), ("second", SUCCEEDED)])
    assert results(one) == [("mock", SUCCEEDED)]


async def test_when_all_that_were_asked_at_once_fail_another_try_is_made(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(status=500), Script(text="At last."))
    second.play(Script(status=500), Script(first_token_s=5))
    pair.with_settings(AT_ONCE)
    async with pair.routing():
        done = await pair.done(await pair.submit())

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, "At last.")


async def test_a_cancel_reaches_everybody_in_a_race(pair: Harness, mock: MockProvider, second: MockProvider) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(first_token_s=5))
    pair.with_settings(AT_ONCE)
    async with pair.routing():
        job_id = await pair.submit()
        await asyncio.gather(mock.next_request(), second.next_request())
        await pair.log.request_cancel(job_id, "enough")
        done = await pair.done(job_id)
        await asyncio.wait_for(asyncio.gather(mock.next_abort(), second.next_abort()), SOON_S)

    assert done.state == job_pb2.JOB_STATE_CANCELLED
    assert all(attempt.result == job_pb2.Attempt.RESULT_STOPPED for attempt in done.attempts)


async def test_a_draft_is_shown_until_the_answer_begins(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="A quick draft of it.", tokens_per_second=20))
    second.play(Script(first_token_s=0.15, text="The answer."))
    pair.with_settings(DRAFTED)
    async with pair.routing():
        events = await pair.events(await pair.submit(asking(routing=job_pb2.Routing(draft=True))))
        await asyncio.wait_for(mock.next_abort(), SOON_S)

    done = events[-1].done
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.index("delta") < kinds.index("rewound") < kinds.index("done")
    assert starts(events) == ["mock", "second"]
    assert text_of(events) == done.answer.text == "The answer."
    assert (done.answer.provider, results(done)) == ("second", [("mock", REPLACED), ("second", SUCCEEDED)])


async def test_a_draft_that_is_whole_is_replaced_too(pair: Harness, mock: MockProvider, second: MockProvider) -> None:
    mock.play(Script(text="A draft."))
    second.play(Script(first_token_s=0.15, text="The answer."))
    pair.with_settings(DRAFTED)
    async with pair.routing():
        events = await pair.events(await pair.submit(asking(routing=job_pb2.Routing(draft=True))))

    done = events[-1].done
    assert text_of(events) == done.answer.text == "The answer."
    assert results(done) == [("mock", REPLACED), ("second", SUCCEEDED)]


async def test_an_answer_that_is_quicker_than_its_draft_needs_none(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text="The answer."))
    pair.with_settings(DRAFTED)
    async with pair.routing():
        events = await pair.events(await pair.submit(asking(routing=job_pb2.Routing(draft=True))))

    assert not any(event.HasField("rewound") for event in events)
    assert text_of(events) == "The answer."


async def test_a_draft_stands_where_the_answer_fails(pair: Harness, mock: MockProvider, second: MockProvider) -> None:
    mock.play(Script(first_token_s=0.05, text="A draft."))
    second.play(Script(status=500))
    pair.with_settings(DRAFTED)
    async with pair.routing(max_attempts=2):
        events = await pair.events(await pair.submit(asking(routing=job_pb2.Routing(draft=True))))

    done = events[-1].done
    assert (done.state, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "mock")
    assert text_of(events) == done.answer.text == "A draft."
    assert second.stats.requests == 2


async def test_nobody_drafts_who_was_not_asked_to(pair: Harness, mock: MockProvider) -> None:
    pair.with_settings(DRAFTED)
    async with pair.routing():
        done = await pair.done(await pair.submit())

    assert results(done) == [("second", SUCCEEDED)]
    assert mock.stats.requests == 0


ESCALATING = """
[models.default]
routes = [{ provider = "mock", model = "small" }]
escalate = { to = "large", shorter_than = 10, refusals = ["^I cannot"] }

[models.large]
routes = [{ provider = "second", model = "large" }]
"""


async def test_a_cheap_answer_that_is_good_enough_stands(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="Paris is the capital of France."))
    pair.with_settings(ESCALATING)
    async with pair.routing():
        done = await pair.done(await pair.submit())

    assert done.answer.provider == "mock"
    assert second.stats.requests == 0


async def test_a_cheap_answer_that_is_not_good_enough_is_replaced(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="I cannot say."))
    second.play(Script(text="Paris is the capital of France."))
    pair.with_settings(ESCALATING)
    async with pair.routing():
        events = await pair.events(await pair.submit())

    done = events[-1].done
    assert text_of(events) == done.answer.text == "Paris is the capital of France."
    assert results(done) == [("mock", REPLACED), ("second", SUCCEEDED)]
    assert done.attempts[0].chosen_because == "the only route; its answer was a refusal"
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.index("rewound") == len(kinds) - 1 - kinds[::-1].index("started") - 1


async def test_a_cheap_answer_stands_where_no_better_one_can_be_had(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="Paris."))
    second.play(Script(status=500))
    pair.with_settings(ESCALATING)
    async with pair.routing(max_attempts=3):
        done = await pair.done(await pair.submit())

    assert (done.state, done.answer.text, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "Paris.", "mock")
    assert [error_pb2.ErrorReason.Name(a.error.reason) for a in done.attempts[1:]] == [
        "ERROR_REASON_PROVIDER_ERROR"
    ] * 3
