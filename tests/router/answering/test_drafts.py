"""A draft is shown until the answer begins, and stands only where the answer fails."""

import asyncio

from tests.router.answering.races import REPLACED, SOON_S, SUCCEEDED, results, starts
from tests.router.harness import Harness, asking
from tests.support.transcript import text_of

from weft.job.v1 import job_pb2
from weft_mock import MockProvider, Script

DRAFT = asking(routing=job_pb2.Routing(draft=True))


async def test_a_draft_is_shown_until_the_answer_begins(
    drafted: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="A quick draft of it.", tokens_per_second=20))
    second.play(Script(first_token_s=0.15, text="The answer."))
    async with drafted.routing():
        events = await drafted.events(await drafted.submit(DRAFT))
        await asyncio.wait_for(mock.next_abort(), SOON_S)

    done = events[-1].done
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.index("delta") < kinds.index("rewound") < kinds.index("done")
    assert starts(events) == ["mock", "second"]
    assert text_of(events) == done.answer.text == "The answer."
    assert (done.answer.provider, results(done)) == ("second", [("mock", REPLACED), ("second", SUCCEEDED)])


async def test_a_draft_that_is_whole_is_replaced_too(
    drafted: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="A draft."))
    second.play(Script(first_token_s=0.15, text="The answer."))
    events = await drafted.run(DRAFT)

    done = events[-1].done
    assert text_of(events) == done.answer.text == "The answer."
    assert results(done) == [("mock", REPLACED), ("second", SUCCEEDED)]


async def test_an_answer_that_is_quicker_than_its_draft_needs_none(
    drafted: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=5))
    second.play(Script(text="The answer."))
    events = await drafted.run(DRAFT)

    assert not any(event.HasField("rewound") for event in events)
    assert text_of(events) == "The answer."


async def test_a_draft_stands_where_the_answer_fails(
    drafted: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(first_token_s=0.05, text="A draft."))
    second.play(Script(status=500))
    events = await drafted.run(DRAFT, max_attempts=2)

    done = events[-1].done
    assert (done.state, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "mock")
    assert text_of(events) == done.answer.text == "A draft."
    assert second.stats.requests == 2


async def test_nobody_drafts_who_was_not_asked_to(drafted: Harness, mock: MockProvider) -> None:
    done = (await drafted.run())[-1].done

    assert results(done) == [("second", SUCCEEDED)]
    assert mock.stats.requests == 0
