"""Recovery is counted for jobs whose worker was lost, and for no others."""

import pytest
from tests.chaos.account import Account
from tests.chaos.fault_runner import Dealt
from tests.chaos.orders import draw_orders
from tests.chaos.recovery import of_submits, of_workers
from tests.chaos.schedule import Action, Blow

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog.events.codec import StoredEvent

STARTED, DELTA, DONE = event_pb2.Started(), event_pb2.Delta(text="a"), event_pb2.Done()
RETRIED = event_pb2.Started(previous=job_pb2.Attempt(number=1))


def dealt(part: str, action: Action, unix_s: float) -> list[Dealt]:
    return [Dealt(Blow(0.0, part, action, 1.0), unix_s)]


def job(*steps: tuple[float, object]) -> dict[str, list[StoredEvent]]:
    """A job of events that came at these seconds."""
    messages = []
    for sequence, (second, step) in enumerate(steps, 1):
        event = event_pb2.JobEvent(job_id="job", sequence=sequence)
        event.time.FromNanoseconds(round(second * 1e9))
        getattr(event, type(step).__name__.lower()).CopyFrom(step)
        messages.append(StoredEvent(event, sequence - 1, ""))
    return {"job": messages}


@pytest.mark.parametrize("action", [Action.KILL, Action.BURY])
def test_it_lasts_from_the_loss_to_the_next_attempt(action: Action) -> None:
    [found] = of_workers(dealt("router-2", action, 10), job((8, STARTED), (9, DELTA), (17, STARTED), (18, DONE)))
    assert found.seconds == 7
    assert (found.blow.part, found.who) == ("router-2", "job")


@pytest.mark.parametrize(
    "events",
    [
        job((8, STARTED), (9, DELTA), (11, DELTA), (17, STARTED), (18, DONE)),
        job((8, STARTED), (11, RETRIED), (18, DONE)),
        job((8, STARTED), (9, DONE)),
        job((11, STARTED), (12, DONE)),
    ],
    ids=["its worker lived on", "its worker tried again", "it was over", "it had not begun"],
)
def test_a_job_that_lost_nothing_does_not_count(events: dict[str, list[StoredEvent]]) -> None:
    assert of_workers(dealt("router", Action.KILL, 10), events) == []


@pytest.mark.parametrize(("part", "action"), [("gateway", Action.KILL), ("router", Action.FREEZE)])
def test_what_loses_no_worker_does_not_count(part: str, action: Action) -> None:
    assert of_workers(dealt(part, action, 10), job((8, STARTED), (17, STARTED), (18, DONE))) == []


def test_a_submit_that_is_answered_ends_the_loss_of_nats() -> None:
    accounts = [
        Account(order, answered_unix_s=[moment])
        for order, moment in zip(draw_orders(1, 3, 1), (9, 12, 13), strict=True)
    ]
    [found] = of_submits(dealt("nats", Action.KILL, 10), accounts)
    assert found.seconds == 2
