"""One lease's way through its job, from the first look at the log to the last word in it."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

import structlog
from google.protobuf.message import DecodeError

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import EventTooLarge, Fenced, JobGone, JobLog, Lease, lane_of, write_end
from weft_kit.joblog.events import terminal
from weft_kit.rpc.errors import WeftError
from weft_router import metrics
from weft_router.answering.cache_client import AnswerCache
from weft_router.budgets import budgets
from weft_router.budgets.claims import BudgetSpent
from weft_router.fleet.outage import ProviderOutage, Returns
from weft_router.job import terminal_events, usage
from weft_router.job.history import History
from weft_router.job.job import Job
from weft_router.pipeline.pipeline import Pipeline
from weft_router.routing import retry_policy
from weft_router.worker.cancel_scope import CancelScope, Stopped, StopReason

_GOODBYE_LIMIT_S = 1.0
"""What giving a job back may wait for the log."""
_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class JobDependencies:
    """What every run works with. A job handed out more than `max_deliveries` times kills its workers."""

    log: JobLog
    pipeline: Pipeline
    answers: AnswerCache
    max_deliveries: int = 50
    worker: str = ""
    """This router, as records of attempts name it."""
    draw: Callable[[], float] = random.random
    returns: Returns = field(default_factory=Returns)

    @property
    def max_rests(self) -> int:
        """The deliveries after which a job rests no more: those left are for workers that are lost or shut down."""
        return self.max_deliveries * 4 // 5


class RunOutcome(Enum):
    """What became of a job in this worker's hands."""

    DONE = auto()
    """Its `done` is committed, by us or not."""
    SUPERSEDED = auto()
    """Another worker has it, or the log has nothing of it."""
    RELEASED = auto()
    """It waits for another worker."""


@dataclass(frozen=True, slots=True)
class Rest:
    """It is to wait in the queue for so long: for a budget to have room, or for a provider."""

    seconds: float
    waits_for: str


class _Resting(Exception):
    """The job cannot go on now, and leaves its slot to others."""

    def __init__(self, rest: Rest) -> None:
        super().__init__(rest.waits_for)
        self.rest = rest


class JobRun:
    """Runs one job until it is terminal, turns out to be another worker's, or has to be left."""

    def __init__(self, lease: Lease, means: JobDependencies) -> None:
        self._lease = lease
        self._means = means
        self._accepted = lease.event.accepted
        self._cancel_scope = CancelScope()
        self.tokens = 0
        """What the job took here, read and written."""
        self._outage: ProviderOutage | None = None
        """What it waits for here, while it does."""

    def cancel(self) -> None:
        """Stops the attempt under way, down to its provider: `cancel_requested` stands in the log."""
        self._cancel_scope.cancel(StopReason.CANCELLED)

    def drain(self) -> None:
        """Gives the job back, with what it said so far in the log: the worker shuts down."""
        self._cancel_scope.cancel(StopReason.DRAINING)

    async def to_end(self) -> RunOutcome | Rest:
        """Returns what became of the job, once nothing is left to do here.

        Raises:
            DependencyDown: the log stays away.
        """
        try:
            return await self._to_end()
        except DecodeError:
            return await self._end_unread()

    async def _to_end(self) -> RunOutcome | Rest:
        history = History.of([self._lease.event]) if self._lease.delivery == 1 else await self._look()
        job = self._job(history)
        before = usage.total(job.spent)
        while not history.is_over:
            try:
                await self._end(job, history)
            except (Fenced, Stopped, _Resting) as stop:
                if outcome := await self._left(job, stop):
                    return outcome
                # A write refused, or given up half-way: what stands in the log decides what to do.
                history = await self._look()
                if history.claim_sequence > job.writer.last_sequence:
                    return RunOutcome.SUPERSEDED
                job = self._renewed(job, history)
            else:
                return RunOutcome.DONE
            finally:
                self.tokens = usage.total(job.spent) - before
        # What is not in the log needs no ack, which could meet another job in the place of one that a lost store held.
        return RunOutcome.DONE if history.is_done else RunOutcome.SUPERSEDED

    async def _end_unread(self) -> RunOutcome:
        """Ends a job of which the log holds what is no event: it would come back with every delivery."""
        structlog.get_logger().exception("job cannot be read", job_id=self._lease.job_id)
        job = self._job(History.of([self._lease.event]))
        done = terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, terminal_events.internal(self._lease.job_id))
        try:
            await self._means.log.end_unread(self._lease.job_id, done)
        except Fenced:
            return RunOutcome.SUPERSEDED
        return RunOutcome.DONE

    async def _left(self, job: Job, stop: Fenced | Stopped | _Resting) -> RunOutcome | Rest | None:
        """Returns what becomes of a job that is given back; None where it is not, or somebody moved it on before."""
        match stop:
            case Stopped() if self._cancel_scope.why is StopReason.DRAINING:
                await self._give_back(job)
                return RunOutcome.RELEASED
            case _Resting(rest=rested) if await self._give_back(job) and self._cancel_scope.why is None:
                return rested
        return None

    async def _look(self) -> History:
        return History.of(await self._means.log.events(self._lease.job_id))

    def _job(self, history: History) -> Job:
        """Takes the log's word for everything."""
        asked = self._accepted.request.messages
        return Job(
            job_id=self._lease.job_id,
            accepted=self._accepted,
            accepted_sequence=self._lease.event.sequence,
            attempts=history.attempts,
            spent=usage.summed(usage.estimated(asked, said) for said in history.tokens.values() if said),
            messages=asked,
            worker=self._means.worker,
            flush_interval_s=self._means.log.config.flush_interval_s,
            **self._said(history),
        )

    def _renewed(self, job: Job, history: History) -> Job:
        """Takes the log's word for what was said, and keeps our own for what our attempts came to."""
        return replace(job, **self._said(history))

    def _said(self, history: History) -> dict[str, Any]:
        """Returns the fields of a job that say what was said, and after what the next step is written."""
        return {
            "writer": self._means.log.writer(self._lease.job_id, history.last_sequence),
            "said": history.transcript(),
            "text_sequence": history.text_sequence,
            "is_torn": history.may_be_torn(time.time(), self._means.log.config.delta_ttl_s),
            "first_token_time": history.first_token_time,
        }

    async def _end(self, job: Job, history: History) -> None:
        """Brings the job to its `done` and commits that."""
        done = self._foregone(job, history) or await self._answered(job)
        done = await write_end(job.writer, done, job.accepted_sequence)
        metrics.job_done(self._accepted.request.model, done, 0 if job.is_follower else job.said.token_count)
        self._write_line(done)
        if done.state == job_pb2.JOB_STATE_SUCCEEDED and not job.is_follower:
            self._means.answers.keep(job.job_id, self._accepted, job.collection_version, done)

    def _foregone(self, job: Job, history: History) -> event_pb2.Done | None:
        """Returns the record of a job that no provider is to be asked about any more."""
        why = self._cancel_scope.why
        if why is StopReason.CANCELLED or history.cancel_message is not None:
            return terminal_events.ended(
                job, job_pb2.JOB_STATE_CANCELLED, terminal.cancelled(history.cancel_message or "")
            )
        if why is StopReason.EXPIRED or job.left_s(time.time()) <= 0:
            waited_for = self._outage.error.message if self._outage else ""
            return terminal_events.ended(job, job_pb2.JOB_STATE_EXPIRED, terminal.expired(waited_for))
        if why is StopReason.BROKEN:
            return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, terminal_events.internal(self._lease.job_id))
        if self._lease.delivery > self._means.max_deliveries:
            return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, retry_policy.exhausted(job.attempts))
        return None

    async def _answered(self, job: Job) -> event_pb2.Done:
        """Runs attempts for as long as the job lives and nobody stops them."""
        try:
            async with self._cancel_scope.guarding(job.left_s(time.time())):
                with self._overhearing(job) if job.request.HasField("retrieval") else nullcontext():
                    return await self._attempted(job)
        except EventTooLarge as error:
            return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, terminal_events.too_large(error))
        except (Fenced, Stopped, WeftError, _Resting):
            raise
        except BudgetSpent as spent:
            self._rest(job, spent.wait_s or 0.0, "budget")
            return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, spent.error)
        except Exception:  # noqa: BLE001
            # A bug of ours must neither cost the job its record nor come back with every delivery.
            structlog.get_logger().exception("job failed by a bug", job_id=self._lease.job_id)
            self._cancel_scope.cancel(StopReason.BROKEN)
            raise Stopped from None

    async def _attempted(self, job: Job) -> event_pb2.Done:
        """Tries until there is a record. A job waits here for its providers only where it cannot rest any more."""
        while True:
            try:
                self._outage = None
                return await self._means.pipeline.run(job)
            except ProviderOutage as outage:
                self._outage = outage
                kind = (lane_of(job.accepted.tenant, job.request.priority), job.request.model)
                left_s = job.left_s(time.time())
                after_s = self._means.returns.after_s(kind, outage.wait_s, left_s, time.monotonic())
                if after_s is not None:
                    self._rest(job, after_s, "provider")
                await asyncio.sleep(max(outage.wait_s, _LOOK_AGAIN_S))

    def _rest(self, job: Job, wait_s: float, waits_for: str) -> None:
        """Raises _Resting, for at least `wait_s`, unless the job would not be looked at in time."""
        left_s, most = job.left_s(time.time()), self._means.max_rests
        rest_s = budgets.rest_s(wait_s, left_s, self._lease.delivery, most, self._means.draw())
        if rest_s is not None:
            raise _Resting(Rest(rest_s, waits_for)) from None

    @contextmanager
    def _overhearing(self, job: Job) -> Iterator[None]:
        """Stops retrieval too when somebody ends the job, which is still queued to all others: no signal tells us."""
        listening = asyncio.create_task(self._overhear(job.writer.last_sequence))
        try:
            yield
        finally:
            listening.cancel()

    async def _overhear(self, after_sequence: int) -> None:
        with suppress(JobGone, WeftError):
            async with self._means.log.follow(self._lease.job_id, after_sequence) as events:
                event = await anext(events, None)
                if event is not None and event.HasField("done"):
                    self.cancel()

    async def _give_back(self, job: Job) -> bool:
        """Says in the log that our attempt ended, for whoever goes on; False where somebody has already."""
        if (attempt := job.release()) is None:
            return True
        said = terminal_events.given_back(attempt)
        try:
            async with asyncio.timeout(_GOODBYE_LIMIT_S):
                await job.writer.append(said)
        except Fenced:
            return False
        except (WeftError, TimeoutError):
            pass  # the attempt will stand on record as lost
        return True

    def _write_line(self, done: event_pb2.Done) -> None:
        structlog.get_logger().info(
            "job",
            job_id=self._lease.job_id,
            tenant=self._accepted.tenant,
            model=self._accepted.request.model,
            state=job_pb2.JobState.Name(done.state).removeprefix("JOB_STATE_"),
            provider=done.answer.provider,
            attempts=len(done.attempts),
            tokens=done.answer.usage.completion_tokens,
        )
