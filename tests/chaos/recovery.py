"""How long jobs and clients waited for what came back: read off the log, after the fact."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.account import Account
from tests.chaos.fault_runner import Dealt
from tests.chaos.schedule import Action, Blow

from weft.job.v1 import event_pb2
from weft_kit.joblog.events.codec import StoredEvent

_LOSES_WORKER = frozenset({Action.KILL, Action.BURY})
_AGAIN = frozenset({"started", "rewound"})
_SILENT = frozenset({"cancel_requested"})


@dataclass(frozen=True, order=True)
class Recovery:
    """Seconds from a blow to the moment when what it stopped went on."""

    seconds: float
    blow: Blow
    who: str
    """The job, or the order, that waited."""


def of_workers(dealt: Iterable[Dealt], jobs: Mapping[str, Sequence[StoredEvent]]) -> list[Recovery]:
    """From the loss of a router to the next attempt of each job that it had."""
    losses = [each for each in dealt if each.blow.part.startswith("router") and each.blow.action in _LOSES_WORKER]
    events = {job_id: [message.event for message in messages] for job_id, messages in jobs.items()}
    waits = ((_wait(loss.unix_s, job), loss.blow, job_id) for loss in losses for job_id, job in events.items())
    return [Recovery(seconds, blow, job_id) for seconds, blow, job_id in waits if seconds is not None]


def _wait(loss_unix_s: float, events: Sequence[event_pb2.JobEvent]) -> float | None:
    """The wait of one job; None when it was not under way, or its worker lived: that one would have told why."""
    said = [event for event in events if event.WhichOneof("event") not in _SILENT]
    before = [event for event in said if _unix_s(event) <= loss_unix_s]
    if len(before) == len(said) or not any(event.HasField("started") for event in before):
        return None
    following = said[len(before)]
    if following.WhichOneof("event") not in _AGAIN or following.started.HasField("previous"):
        return None
    return _unix_s(following) - loss_unix_s


def of_submits(dealt: Iterable[Dealt], accounts: Iterable[Account]) -> list[Recovery]:
    """From each loss of nats to the next submit that was answered."""
    answers = sorted((moment, account.order.request_id) for account in accounts for moment in account.answered_unix_s)
    losses = [each for each in dealt if each.blow.part == "nats" and each.blow.action is not Action.FREEZE]
    nexts = ((loss, next((answer for answer in answers if answer[0] > loss.unix_s), None)) for loss in losses)
    return [Recovery(answer[0] - loss.unix_s, loss.blow, answer[1]) for loss, answer in nexts if answer]


def _unix_s(event: event_pb2.JobEvent) -> float:
    return event.time.ToNanoseconds() / 1e9
