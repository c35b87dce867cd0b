"""What must be true of every job in the end, whatever was done to the mesh: the rules, and nothing else."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.account import Account, Reading
from tests.chaos.evidence import Evidence, Row
from tests.chaos.orders import Order
from tests.support.transcript import text_of

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import envelope_of, text_hash
from weft_kit.joblog.events.codec import StoredEvent

_SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED


@dataclass(frozen=True)
class Finding:
    """Something that must not be. `job_id` is empty when it is about an order that has none."""

    job_id: str
    order: int
    what: str


@dataclass
class Verdict:
    """The findings of a run, by their kind."""

    lost: list[Finding] = field(default_factory=list)
    """Promised and not kept: a job without its end, its record, or its webhook."""
    duplicated: list[Finding] = field(default_factory=list)
    """More than one job, end, or webhook id where there may be one; or a broken fence."""
    wrong: list[Finding] = field(default_factory=list)
    """Readers, records and gateways that tell another story than the log, and answers no contract allows."""
    states: Counter[str] = field(default_factory=Counter)
    unlucky: int = 0
    """Jobs that failed though their provider answers: every attempt they are allowed met something. Permitted."""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong)

    @property
    def findings(self) -> list[Finding]:
        return [*self.lost, *self.duplicated, *self.wrong]


def judge(accounts: Sequence[Account], evidence: Evidence) -> Verdict:
    """Holds what clients saw against what the mesh knows."""
    verdict = Verdict()
    orders = {account.order.request_id: account.order for account in accounts}
    jobs_of: dict[str, list[str]] = defaultdict(list)
    for job_id, messages in evidence.logged.items():
        request_id = envelope_of(messages[0].event).request_id
        jobs_of[request_id].append(job_id)
        if (order := orders.get(request_id)) is None:
            verdict.duplicated.append(Finding(job_id, 0, "nobody asked for this job"))
            continue
        _judge_job(_Case(job_id, order, evidence), verdict)
    for account in accounts:
        _judge_account(account, jobs_of[account.order.request_id], evidence, verdict)
    return verdict


@dataclass(frozen=True)
class _Case:
    """One job and all that is known of it."""

    job_id: str
    order: Order
    evidence: Evidence

    @property
    def messages(self) -> list[StoredEvent]:
        return self.evidence.logged[self.job_id]

    @property
    def events(self) -> list[event_pb2.JobEvent]:
        return [message.event for message in self.messages]

    @property
    def done(self) -> event_pb2.Done | None:
        last = self.messages[-1].event
        return last.done if last.HasField("done") else None

    def finding(self, what: str) -> Finding:
        return Finding(self.job_id, self.order.number, what)


def _judge_job(case: _Case, verdict: Verdict) -> None:
    verdict.duplicated += map(case.finding, broken_grammar(case.messages))
    if case.done is None:
        verdict.lost.append(case.finding(f"its last event is {case.events[-1].WhichOneof('event')}, not done"))
        return
    verdict.states[job_pb2.JobState.Name(case.done.state).removeprefix("JOB_STATE_")] += 1
    verdict.unlucky += case.done.state == job_pb2.JOB_STATE_FAILED and case.order.may_succeed
    verdict.wrong += map(case.finding, wrong_end(case.order, case.events))
    row = case.evidence.recorded.get(case.job_id)
    if row is None or row.done is None:
        verdict.lost.append(case.finding("its end is not in the record"))
    else:
        verdict.wrong += map(case.finding, wrong_record(row, case.events[-1]))
    verdict.wrong += map(case.finding, wrong_answers(case.evidence.told.get(case.job_id, []), case.done))
    if late := case.evidence.late.get(case.job_id):
        verdict.wrong += (case.finding(f"late reader: {what}") for what in wrong_reading(late, case.events))
    _judge_webhook(case, verdict)


def _judge_webhook(case: _Case, verdict: Verdict) -> None:
    arrived = set(case.evidence.delivered.get(case.order.number, ()))
    if case.order.webhook and case.job_id not in arrived:
        verdict.lost.append(case.finding("its webhook did not arrive"))
    if others := arrived - {case.job_id}:
        verdict.duplicated.append(case.finding(f"its webhook came under other ids too: {sorted(others)}"))


def _judge_account(account: Account, logged: Sequence[str], evidence: Evidence, verdict: Verdict) -> None:
    order = account.order
    answered = dict.fromkeys(account.job_ids)
    verdict.lost += (
        Finding(job_id, order.number, "its submit was answered, and the log has nothing of it")
        for job_id in answered
        if job_id not in evidence.logged
    )
    if len(ids := {*answered, *logged}) > 1:
        verdict.duplicated.append(Finding("", order.number, f"one request id became several jobs: {sorted(ids)}"))
    verdict.wrong += (Finding("", order.number, surprise) for surprise in account.surprises)
    if not logged:
        failures = [reading.failure for reading in account.readings if reading.failure]
        verdict.wrong += (Finding("", order.number, f"reader: {failure}") for failure in failures)
    for job_id in logged[:1]:
        events = [message.event for message in evidence.logged[job_id]]
        verdict.wrong += (Finding(job_id, order.number, what) for what in changed_end(account, events[-1].done.state))
        for reading in account.readings:
            verdict.wrong += (
                Finding(job_id, order.number, f"reader: {what}") for what in wrong_reading(reading, events)
            )


def broken_grammar(messages: Sequence[StoredEvent]) -> Iterator[str]:
    """Says where a job's messages are not one beginning, one chain, and at most one end."""
    kinds = [message.event.WhichOneof("event") for message in messages]
    if kinds != ["done"] and kinds[0] != "accepted":
        yield f"it begins with {kinds[0]}"
    if kinds.count("accepted") > 1:
        yield f"it was accepted {kinds.count('accepted')} times"
    if kinds.count("done") > 1:
        yield f"it was done {kinds.count('done')} times"
    if "done" in kinds[:-1]:
        yield f"after its end came {kinds[kinds.index('done') + 1 :]}"
    expected = [0, *(message.sequence for message in messages[:-1])]
    for message, sequence in zip(messages, expected, strict=True):
        if message.previous != sequence:
            yield f"event {message.sequence} was written after {message.previous}, and follows {sequence}"


def wrong_end(order: Order, events: Sequence[event_pb2.JobEvent]) -> Iterator[str]:
    """Says what is wrong with the end of a job as it stands in the log."""
    done = events[-1].done
    text = done.answer.text
    if done.text_hash != text_hash(text):
        yield "the hash in done is of another text"
    if len(events) > 1 and text_of(events) != text:
        yield f"its deltas make {text_of(events)!r}, its done says {text!r}"
    if done.state == _SUCCEEDED:
        if not order.may_succeed:
            yield "it succeeded, though its provider answers nobody"
        if text != order.text:
            yield f"it says {text!r}, and should say {order.text!r}"
        if (arguments := [call.arguments_json for call in done.answer.tool_calls]) != order.arguments:
            yield f"it calls tools with {arguments}, and should with {order.arguments}"
    elif not order.text.startswith(text):
        yield f"what it kept, {text!r}, is not the beginning of {order.text!r}"


def changed_end(account: Account, state: job_pb2.JobState.ValueType) -> Iterator[str]:
    """Says where a client was told of another end than the one that stands."""
    for told in account.ends:
        if told != state:
            yield f"a client was told that it is {job_pb2.JobState.Name(told)}, it ended {job_pb2.JobState.Name(state)}"


def wrong_record(row: Row, last: event_pb2.JobEvent) -> Iterator[str]:
    """Says where the record differs from the log."""
    if row.state != last.done.state:
        yield f"the record's state is {job_pb2.JobState.Name(row.state)}"
    if row.done != last:
        yield "the record holds another end than the log"
    used = last.done.total_usage
    charged = row.prompt_tokens or 0, row.completion_tokens or 0
    if charged != (used.prompt_tokens, used.completion_tokens):
        yield f"the record charges {charged}, the log {(used.prompt_tokens, used.completion_tokens)} tokens"


def wrong_answers(told: Iterable[job_pb2.Job | str], done: event_pb2.Done) -> Iterator[str]:
    """Says where GetJob differs from the log."""
    for answer in told:
        if isinstance(answer, str):
            yield f"GetJob failed: {answer}"
        elif answer.state != done.state or answer.answer != done.answer:
            yield f"GetJob says {job_pb2.JobState.Name(answer.state)} and {answer.answer.text!r}"


def wrong_reading(reading: Reading, events: Sequence[event_pb2.JobEvent]) -> Iterator[str]:
    """Says where a reader's way through a job differs from the log: every stream must be a stretch of it."""
    if reading.failure:
        yield reading.failure
    for stream in reading.streams:
        rest = [event for event in events if event.sequence > stream.after]
        if stream.events != rest[: len(stream.events)]:
            seen, there = ([event.sequence for event in some] for some in (stream.events, rest))
            yield f"after {stream.after} it saw {seen}, and there was {there}"
    done = events[-1].done
    if not reading.left and not reading.failure and reading.text != done.answer.text:
        yield f"it assembled {reading.text!r}, the record says {done.answer.text!r}"
