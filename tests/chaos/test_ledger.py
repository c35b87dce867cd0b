"""The ledger finds every kind of wrong that is planted in a run where all is well."""

from dataclasses import replace

import pytest
from tests.chaos.account import Account, Reading, Stream
from tests.chaos.evidence import Evidence, Row
from tests.chaos.ledger import Verdict, judge
from tests.chaos.orders import FLAVOURS, Order, Way

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import new_job_id, project, text_hash
from weft_kit.joblog.events.codec import StoredEvent

BRIEF = FLAVOURS[0]
ORDER = Order(
    number=1, at_s=0.0, tenant="acme", flavour=BRIEF, way=Way.STAY, prompt="what is a heddle?", webhook=True, seed=7
)
JOB_ID = new_job_id("acme", job_pb2.PRIORITY_NORMAL, ORDER.request_id)
FIRST, REST = ORDER.text[:9], ORDER.text[9:]
DONE = event_pb2.Done(
    state=job_pb2.JOB_STATE_SUCCEEDED,
    answer=job_pb2.Answer(text=ORDER.text),
    text_hash=text_hash(ORDER.text),
    total_usage=chat_pb2.Usage(prompt_tokens=4, completion_tokens=12),
)


def chain(job_id: str, *steps: event_pb2.JobEvent) -> list[StoredEvent]:
    """The messages of a job, each written after the one before."""
    messages: list[StoredEvent] = []
    for at, step in enumerate(steps):
        event = event_pb2.JobEvent(job_id=job_id, sequence=10 + at)
        event.MergeFrom(step)
        messages.append(StoredEvent(event, messages[-1].sequence if messages else 0, ""))
    return messages


def accepted() -> event_pb2.JobEvent:
    envelope = event_pb2.Accepted(tenant="acme", request_id=ORDER.request_id, request=ORDER.request("http://x"))
    return event_pb2.JobEvent(accepted=envelope)


def started(attempt: int = 1) -> event_pb2.JobEvent:
    return event_pb2.JobEvent(started=event_pb2.Started(attempt=attempt))


def delta(text: str) -> event_pb2.JobEvent:
    return event_pb2.JobEvent(delta=event_pb2.Delta(text=text))


def done(end: event_pb2.Done = DONE) -> event_pb2.JobEvent:
    return event_pb2.JobEvent(done=end)


@pytest.fixture
def account() -> Account:
    return Account(ORDER, job_ids=[JOB_ID])


@pytest.fixture
def evidence(account: Account) -> Evidence:
    """A job that lost its worker, started over, and was read, recorded, told and delivered as it should be."""
    rewound = event_pb2.JobEvent(rewound=event_pb2.Rewound(to_sequence=10))
    messages = chain(JOB_ID, accepted(), started(), delta("zz"), started(2), rewound, delta(FIRST), delta(REST), done())
    events = [message.event for message in messages]
    account.readings.append(Reading([Stream(0, events[:3]), Stream(12, events[3:])], text=ORDER.text))
    return Evidence(
        logged={JOB_ID: messages},
        recorded={JOB_ID: Row(DONE.state, events[-1], 4, 12)},
        told={JOB_ID: [project(JOB_ID, events)] * 2},
        late={JOB_ID: Reading([Stream(0, events)], text=ORDER.text)},
        delivered={1: [JOB_ID, JOB_ID]},
    )


def kinds(verdict: Verdict) -> dict[str, int]:
    counts = {"lost": verdict.lost, "duplicated": verdict.duplicated, "wrong": verdict.wrong}
    return {kind: len(some) for kind, some in counts.items() if some}


def judged(account: Account, evidence: Evidence) -> dict[str, int]:
    return kinds(judge([account], evidence))


def test_a_good_run_is_good(account: Account, evidence: Evidence) -> None:
    verdict = judge([account], evidence)
    assert verdict.is_good, verdict.findings
    assert verdict.states == {"SUCCEEDED": 1}


def test_a_job_without_its_end_is_lost(account: Account, evidence: Evidence) -> None:
    evidence.logged[JOB_ID].pop()
    account.readings.clear()
    assert judged(account, evidence) == {"lost": 1}


def test_a_job_the_log_knows_nothing_of_is_lost(account: Account, evidence: Evidence) -> None:
    account.readings.clear()
    assert judged(account, Evidence()) == {"lost": 1}


@pytest.mark.parametrize("row", [None, Row(job_pb2.JOB_STATE_RUNNING, None, None, None)])
def test_an_end_that_is_not_recorded_is_lost(account: Account, evidence: Evidence, row: Row | None) -> None:
    evidence.recorded = {JOB_ID: row} if row else {}
    assert judged(account, evidence) == {"lost": 1}


def test_a_webhook_that_does_not_come_is_lost(account: Account, evidence: Evidence) -> None:
    evidence.delivered.clear()
    assert judged(account, evidence) == {"lost": 1}


def test_a_second_end_is_a_duplicate(account: Account, evidence: Evidence) -> None:
    steps = [message.event for message in evidence.logged[JOB_ID]]
    evidence.logged[JOB_ID] = chain(JOB_ID, *steps, done())
    assert judge([account], evidence).duplicated


def test_a_token_after_the_end_is_a_duplicate(account: Account, evidence: Evidence) -> None:
    steps = [message.event for message in evidence.logged[JOB_ID]]
    evidence.logged[JOB_ID] = chain(JOB_ID, *steps, delta("zombie"))
    assert judge([account], evidence).duplicated


def test_a_write_past_the_fence_is_a_duplicate(account: Account, evidence: Evidence) -> None:
    messages = evidence.logged[JOB_ID]
    messages[5] = messages[5]._replace(previous=messages[3].sequence)
    assert judged(account, evidence) == {"duplicated": 1}


def test_a_second_job_of_one_request_is_a_duplicate(account: Account, evidence: Evidence) -> None:
    other = new_job_id("acme", job_pb2.PRIORITY_HIGH, ORDER.request_id)
    messages = chain(other, accepted(), started(), delta(ORDER.text), done())
    evidence.logged[other] = messages
    evidence.recorded[other] = replace(evidence.recorded[JOB_ID], done=messages[-1].event)
    evidence.delivered[1].append(other)
    assert judge([account], evidence).duplicated


def test_two_answers_to_one_request_are_a_duplicate(account: Account, evidence: Evidence) -> None:
    other = new_job_id("acme", job_pb2.PRIORITY_HIGH, ORDER.request_id)
    account.job_ids.append(other)
    assert judged(account, evidence) == {"lost": 1, "duplicated": 1}


def test_a_webhook_under_two_ids_is_a_duplicate(account: Account, evidence: Evidence) -> None:
    evidence.delivered[1].append("another")
    assert judged(account, evidence) == {"duplicated": 1}


def test_a_job_nobody_asked_for_is_a_duplicate(account: Account, evidence: Evidence) -> None:
    stranger = new_job_id("acme", job_pb2.PRIORITY_NORMAL, "stranger")
    evidence.logged[stranger] = chain(stranger, event_pb2.JobEvent(accepted=event_pb2.Accepted(request_id="stranger")))
    assert judged(account, evidence) == {"duplicated": 1}


def test_another_text_is_wrong(account: Account, evidence: Evidence) -> None:
    other = replace(ORDER, prompt="what is a shuttle?")
    account.order = other
    assert judged(account, evidence) == {"wrong": 1}


def test_success_where_there_can_be_none_is_wrong(account: Account, evidence: Evidence) -> None:
    hopeless = next(flavour for flavour in FLAVOURS if flavour.says == "nothing")
    account.order = replace(ORDER, flavour=hopeless)
    assert judge([account], evidence).wrong


def test_a_reader_that_misses_an_event_is_wrong(account: Account, evidence: Evidence) -> None:
    del account.readings[0].streams[1].events[2]
    assert judged(account, evidence) == {"wrong": 1}


def test_a_reader_that_sees_events_in_another_order_is_wrong(account: Account, evidence: Evidence) -> None:
    account.readings[0].streams[1].events.sort(key=lambda event: event.HasField("delta"))
    assert judged(account, evidence) == {"wrong": 1}


def test_a_reader_that_sees_an_event_twice_is_wrong(account: Account, evidence: Evidence) -> None:
    stream = account.readings[0].streams[1]
    stream.events = [stream.events[0], *stream.events]
    assert judged(account, evidence) == {"wrong": 1}


def test_a_reader_with_another_text_is_wrong(account: Account, evidence: Evidence) -> None:
    account.readings[0].text = f"zz{ORDER.text}"
    assert judged(account, evidence) == {"wrong": 1}


def test_a_reader_that_gave_up_is_wrong(account: Account, evidence: Evidence) -> None:
    evidence.late[JOB_ID] = Reading(failure="NotFound()")
    assert judged(account, evidence) == {"wrong": 1}


def test_a_reader_that_never_got_a_job_is_wrong(account: Account) -> None:
    account.job_ids.clear()
    account.readings.append(Reading(failure="Internal()"))
    assert judged(account, Evidence()) == {"wrong": 1}


def test_a_reader_that_left_owes_nothing(account: Account, evidence: Evidence) -> None:
    account.readings[0] = Reading([Stream(0, account.readings[0].streams[0].events)], left=True)
    assert judged(account, evidence) == {}


def test_a_charge_that_is_not_the_logs_is_wrong(account: Account, evidence: Evidence) -> None:
    evidence.recorded[JOB_ID] = replace(evidence.recorded[JOB_ID], completion_tokens=24)
    assert judged(account, evidence) == {"wrong": 1}


def test_a_record_in_another_state_is_wrong(account: Account, evidence: Evidence) -> None:
    evidence.recorded[JOB_ID] = replace(evidence.recorded[JOB_ID], state=job_pb2.JOB_STATE_FAILED)
    assert judged(account, evidence) == {"wrong": 1}


def test_a_gateway_that_tells_another_story_is_wrong(account: Account, evidence: Evidence) -> None:
    evidence.told[JOB_ID] = [evidence.told[JOB_ID][0], job_pb2.Job(state=job_pb2.JOB_STATE_FAILED)]
    assert judged(account, evidence) == {"wrong": 1}


def test_an_end_that_changed_after_it_was_told_is_wrong(account: Account, evidence: Evidence) -> None:
    account.ends.append(job_pb2.JOB_STATE_CANCELLED)
    assert judged(account, evidence) == {"wrong": 1}


def test_an_answer_no_contract_allows_is_wrong(account: Account, evidence: Evidence) -> None:
    account.surprises.append("INTERNAL")
    assert judged(account, evidence) == {"wrong": 1}
