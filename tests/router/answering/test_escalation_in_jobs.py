"""A cheap answer that is not good enough is replaced by a better one, where that can be had."""

from tests.router.answering.races import REPLACED, SUCCEEDED, results
from tests.router.harness import Harness
from tests.support.transcript import text_of

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_mock import MockProvider, Script


async def test_a_cheap_answer_that_is_good_enough_stands(
    escalating: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="Paris is the capital of France."))
    done = (await escalating.run())[-1].done

    assert done.answer.provider == "mock"
    assert second.stats.requests == 0


async def test_a_cheap_answer_that_is_not_good_enough_is_replaced(
    escalating: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="I cannot say."))
    second.play(Script(text="Paris is the capital of France."))
    events = await escalating.run()

    done = events[-1].done
    assert text_of(events) == done.answer.text == "Paris is the capital of France."
    assert results(done) == [("mock", REPLACED), ("second", SUCCEEDED)]
    assert done.attempts[0].chosen_because == "the only route; its answer was a refusal"
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.index("rewound") == len(kinds) - 1 - kinds[::-1].index("started") - 1


async def test_a_cheap_answer_stands_where_no_better_one_can_be_had(
    escalating: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="Paris."))
    second.play(Script(status=500))
    done = (await escalating.run(max_attempts=3))[-1].done

    assert (done.state, done.answer.text, done.answer.provider) == (job_pb2.JOB_STATE_SUCCEEDED, "Paris.", "mock")
    assert [error_pb2.ErrorReason.Name(a.error.reason) for a in done.attempts[1:]] == [
        "ERROR_REASON_PROVIDER_ERROR"
    ] * 3
