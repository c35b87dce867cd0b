"""What a run came to: one table, and what is known of each job that is not as it must be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.chaos.account import Account, Reading
from tests.chaos.evidence import Evidence
from tests.chaos.fault_runner import Dealt
from tests.chaos.ledger import Verdict
from tests.chaos.recovery import Recovery, of_submits, of_workers

from weft_kit.joblog.events.codec import StoredEvent

_SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """A run when it is over: what clients saw, what was done to the mesh, and what it knows."""

    accounts: Sequence[Account]
    dealt: Sequence[Dealt]
    evidence: Evidence

    @property
    def readings(self) -> list[Reading]:
        early = (reading for account in self.accounts for reading in account.readings)
        return [*early, *self.evidence.late.values()]


def table(outcome: Outcome, verdict: Verdict) -> str:
    """The run in one table."""
    accounts, jobs, readings = outcome.accounts, outcome.evidence.logged, outcome.readings
    streams = [stream for reading in readings for stream in reading.streams]
    webhooks = sum(bool(ids) for ids in outcome.evidence.delivered.values())
    rows = [
        ("submitted", len(accounts)),
        ("jobs", len(jobs)),
        *((f"  {state.lower()}", count) for state, count in sorted(verdict.states.items())),
        ("  failed for want of luck", verdict.unlucky),
        ("lost", len(verdict.lost)),
        ("duplicated", len(verdict.duplicated)),
        ("wrong", len(verdict.wrong)),
        ("readers", f"{len(readings)}, over {len(streams)} streams"),
        ("events read", sum(len(stream.events) for stream in streams)),
        ("webhooks delivered", f"{webhooks} of {sum(account.order.webhook for account in accounts)}"),
        ("submits given up", sum(len(account.refusals) for account in accounts)),
        ("attempts beyond the first", sum(max(0, _attempts(messages) - 1) for messages in jobs.values())),
        ("a worker is lost: its jobs go on", _spread(of_workers(outcome.dealt, jobs))),
        ("nats is lost: a submit is answered", _spread(of_submits(outcome.dealt, accounts))),
    ]
    wide = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows)


def _attempts(messages: Sequence[StoredEvent]) -> int:
    return sum(message.event.HasField("started") for message in messages)


def _spread(recoveries: Sequence[Recovery]) -> str:
    if not recoveries:
        return "-"
    worst, middle = max(recoveries), median(recovery.seconds for recovery in recoveries)
    return (
        f"p50 {middle:.1f} s, worst {worst.seconds:.1f} s of {len(recoveries)} ({worst.who}, {str(worst.blow).strip()})"
    )


def findings(verdict: Verdict) -> str:
    """The first findings of each kind, one a line."""
    kinds = {"lost": verdict.lost, "duplicated": verdict.duplicated, "wrong": verdict.wrong}
    return "\n".join(
        f"{kind}: order {found.order} {found.job_id} {found.what}"
        for kind, some in kinds.items()
        for found in some[:_SHOWN]
    )


def keep(folder: Path, outcome: Outcome, verdict: Verdict, orders: Iterable[int]) -> None:
    """Writes all that is known of some orders into a folder, a file an order."""
    folder.mkdir(parents=True, exist_ok=True)
    accounts = {account.order.number: account for account in outcome.accounts}
    for number in orders:
        about = [finding for finding in verdict.findings if finding.order == number]
        account = accounts.get(number)
        job_ids = {finding.job_id for finding in about} | set(account.job_ids if account else ())
        lines = [finding.what for finding in about]
        lines += [f"\nclients: {account}"]
        lines += [_story(job_id, outcome.evidence) for job_id in sorted(job_ids) if job_id]
        (folder / f"order-{number}.txt").write_text("\n".join(lines))


def _story(job_id: str, evidence: Evidence) -> str:
    events = (f"{message.event}written after {message.previous}\n" for message in evidence.logged.get(job_id, ()))
    return "\n".join([f"\njob {job_id}", *events, f"record: {evidence.recorded.get(job_id)}"])
