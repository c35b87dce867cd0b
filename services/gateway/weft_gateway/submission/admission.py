"""Turns requests into jobs: once each, while there is capacity for them."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.submission.audits import ASKED, second_asking
from weft_gateway.submission.budgets import BudgetChecks
from weft_gateway.submission.cache_lookup import CacheLookup
from weft_gateway.submission.envelope import (
    EnvelopeRules,
    Submission,
    answered,
    check_repeat,
    utc_now,
)
from weft_gateway.submission.log_capacity import LogCapacity
from weft_gateway.submission.log_limit import log_limit
from weft_gateway.submission.quota import Quota
from weft_kit.catalog.catalog import TenantShare
from weft_kit.joblog import AlreadyAccepted, EventTooLarge, JobLog, new_job_id
from weft_kit.rpc.context import CallContext, bound, remaining
from weft_kit.rpc.errors import Exhausted, Overloaded, WeftError
from weft_kit.tasks import TaskSet


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job that is ready to begin."""

    job_id: str
    accepted: event_pb2.Accepted


class JobAdmission:
    """Checks requests and commits them as jobs. Needs only the log."""

    def __init__(
        self,
        log: JobLog,
        answers: CacheLookup,
        envelope_rules: EnvelopeRules,
        quota: Quota,
        budgets: BudgetChecks,
        room: LogCapacity,
        share: Callable[[str], TenantShare],
    ) -> None:
        self._log = log
        self._answers = answers
        self._envelope_rules = envelope_rules
        self._quota = quota
        self._budgets = budgets
        self._room = room
        self._share = share
        self._second_askings = TaskSet()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keeps background work of submits running while the block lasts."""
        try:
            yield
        finally:
            await self._second_askings.drop()

    def ticket(self, caller: CallContext, order: Submission) -> PreparedJob:
        """Checks a request. Raises Invalid."""
        accepted = self._envelope_rules.envelope(caller, order, utc_now(), left_s=remaining(math.inf))
        return PreparedJob(new_job_id(caller.tenant, order.request.priority, order.request_id), accepted)

    async def begin(self, ticket: PreparedJob) -> event_pb2.JobEvent | None:
        """Commits a job's first event. Returns None if the same request had committed it already.

        Raises AlreadyExists when it was there from another one; Exhausted and Overloaded when there is no room, or
        nothing left to spend; DependencyDown when the log stays away for `accept_timeout_s`.
        """
        async with log_limit(self._log.config.accept_timeout_s):
            return await self._begin(ticket)

    async def _begin(self, ticket: PreparedJob) -> event_pb2.JobEvent | None:
        try:
            return await self._commit(ticket)
        except AlreadyAccepted as repeat:
            first = repeat.first
        except (Exhausted, Overloaded):
            # A repeat needs no capacity and costs nothing.
            found = await self._log.first(ticket.job_id) if ticket.accepted.request_id else None
            if found is None:
                raise
            first = found
        check_repeat(first, ticket.accepted)
        return None

    async def _commit(self, ticket: PreparedJob) -> event_pb2.JobEvent:
        job_id, accepted = ticket.job_id, ticket.accepted
        self._room.check()
        found = await self._answers.find(accepted.request)
        if not found:
            return await self._queue(job_id, accepted)
        try:
            event = await self._log.answer(job_id, answered(accepted, found.answer, found.hit))
        except EventTooLarge:  # request and answer together; each by itself fits
            return await self._queue(job_id, accepted)
        if found.HasField("audit"):
            self._second_askings.start(self._ask_again(job_id, accepted, found.audit))
        return event

    async def _queue(self, job_id: str, accepted: event_pb2.Accepted) -> event_pb2.JobEvent:
        await self._budgets.admit(accepted)
        async with self._quota.place(accepted.tenant):
            return await self._log.accept(job_id, accepted, self._share(accepted.tenant).max_in_flight)

    async def _ask_again(self, job_id: str, accepted: event_pb2.Accepted, audit: job_pb2.Audit) -> None:
        again = second_asking(job_id, accepted, audit)
        # Not part of the call: it has its answer, and its deadline does not apply to this.
        with bound(CallContext(tenant=again.tenant, key_id=again.key_id, traceparent=again.traceparent)):
            try:
                await self._queue(new_job_id(again.tenant, again.request.priority), again)
            except WeftError as error:
                # No capacity, or nothing left to spend: what the cache would learn is not worth a caller's place.
                ASKED.labels(error.reason_name).inc()
            else:
                ASKED.labels("queued").inc()
