"""One lease's way through its job, from the first look at the log to the last word in it."""

import asyncio
import time
from dataclasses import dataclass

import structlog

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.errors import WeftError
from weft_kit.joblog import Fenced, JobLog, Lease
from weft_router import job as records
from weft_router import metrics, policy
from weft_router.answer_cache import AnswerCache
from weft_router.attempts import Attempts
from weft_router.history import History
from weft_router.job import Job

_LONGEST_LIFE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Means:
    """What every run works with. A job handed out more than `max_deliveries` times kills its workers."""

    log: JobLog
    attempts: Attempts
    answers: AnswerCache
    max_deliveries: int = 20


class _Stopped(Exception):
    """The attempts were stopped half-way: only the log knows now what was said."""


class JobRun:
    """Runs one job until it is terminal, or turns out to be another worker's."""

    def __init__(self, lease: Lease, means: Means) -> None:
        self._lease = lease
        self._means = means
        self._accepted = lease.event.accepted
        self._scope: asyncio.Timeout | None = None
        self._stopped: job_pb2.JobState.ValueType | None = None
        self._cancelled_at = 0.0

    def cancel(self) -> None:
        """Stop the attempt under way, down to its provider: `cancel_requested` stands in the log."""
        if self._stopped is None and self._scope is not None and not self._scope.expired():
            self._stopped = job_pb2.JOB_STATE_CANCELLED
            self._cancelled_at = time.perf_counter()
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def to_end(self) -> bool:
        """Return True once the job's `done` is committed, by us or not; False when another worker has the job.

        Raises:
            DependencyDown: the log stays away.
        """
        history = History.of([self._lease.event]) if self._lease.delivery == 1 else await self._look()
        job = self._job(history)
        while not history.is_over:
            try:
                await self._end(job, history)
            except (Fenced, _Stopped):
                # A write refused, or given up half-way: what stands in the log decides what to do.
                history = await self._look()
                if history.claim_sequence > job.claim_sequence:
                    return False
                job = self._job(history, job.attempts)
            else:
                return True
        return True

    async def _look(self) -> History:
        return History.of(await self._means.log.events(self._lease.job_id))

    def _job(self, history: History, attempts: list[job_pb2.Attempt] | None = None) -> Job:
        """Take the log's word for what was said, and our own for what our attempts came to."""
        return Job(
            accepted=self._accepted,
            writer=self._means.log.writer(self._lease.job_id, history.last_sequence),
            accepted_sequence=self._lease.event.sequence,
            claim_sequence=history.claim_sequence,
            said=history.transcript(),
            text_sequence=history.text_sequence,
            is_torn=history.may_be_torn(time.time(), self._means.log.config.delta_ttl_s),
            attempts=attempts or history.attempts,
            first_token_time=history.first_token_time,
        )

    async def _end(self, job: Job, history: History) -> None:
        """Bring the job to its `done` and commit that."""
        done = self._foregone(job, history) or await self._answered(job)
        await job.writer.append(done)
        metrics.job_done(self._accepted.request.model, done, job.said.token_count)
        self._write_line(done)
        if done.state == job_pb2.JOB_STATE_SUCCEEDED:
            self._means.answers.keep(self._accepted.request, job.collection_version, done.answer)

    def _foregone(self, job: Job, history: History) -> event_pb2.Done | None:
        """Return the record of a job that no provider is to be asked about any more."""
        if self._stopped == job_pb2.JOB_STATE_CANCELLED or history.cancel_message is not None:
            return records.ended(job, job_pb2.JOB_STATE_CANCELLED, records.cancelled(history.cancel_message or ""))
        if self._stopped == job_pb2.JOB_STATE_EXPIRED or self._left_s() <= 0:
            return records.ended(job, job_pb2.JOB_STATE_EXPIRED, records.expired())
        if self._stopped == job_pb2.JOB_STATE_FAILED:
            return records.ended(job, job_pb2.JOB_STATE_FAILED, records.internal(self._lease.job_id))
        if self._lease.delivery > self._means.max_deliveries:
            return records.ended(job, job_pb2.JOB_STATE_FAILED, policy.exhausted(job.attempts))
        return None

    async def _answered(self, job: Job) -> event_pb2.Done:
        """Run attempts for as long as the job lives and nobody stops them."""
        scope = self._scope = asyncio.timeout(self._left_s())
        try:
            async with scope:
                return await self._means.attempts.run(job)
        except TimeoutError:
            if not scope.expired():
                raise
            self._stopped = self._stopped or job_pb2.JOB_STATE_EXPIRED
            if self._cancelled_at:
                metrics.CANCEL_SECONDS.observe(time.perf_counter() - self._cancelled_at)
        except (Fenced, WeftError):
            raise
        except Exception:  # noqa: BLE001
            # A bug of ours must neither cost the job its record nor come back with every delivery.
            structlog.get_logger().exception("job failed by a bug", job_id=self._lease.job_id)
            self._stopped = job_pb2.JOB_STATE_FAILED
        finally:
            self._scope = None
        raise _Stopped

    def _left_s(self) -> float:
        if not self._accepted.HasField("expire_time"):
            return _LONGEST_LIFE_S
        return self._accepted.expire_time.ToNanoseconds() / 1e9 - time.time()

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
