"""Where requests become jobs: once each, while there is room for them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from weft.job.v1 import event_pb2
from weft_gateway.jobs.admission import Admission, Order, answered, check_repeat, utc_now
from weft_gateway.jobs.answers import Answers
from weft_gateway.jobs.budgets import Budgets
from weft_gateway.jobs.quota import Quota
from weft_gateway.jobs.room import Room
from weft_kit.catalog import Share
from weft_kit.context import CallContext, remaining
from weft_kit.errors import Exhausted, Overloaded
from weft_kit.joblog import AlreadyAccepted, JobLog, new_job_id


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job that may be begun."""

    job_id: str
    accepted: event_pb2.Accepted


class Intake:
    """Checks requests and commits what they become. Needs the log alone."""

    def __init__(
        self,
        log: JobLog,
        answers: Answers,
        admission: Admission,
        quota: Quota,
        budgets: Budgets,
        room: Room,
        share: Callable[[str], Share],
    ) -> None:
        self._log = log
        self._answers = answers
        self._admission = admission
        self._quota = quota
        self._budgets = budgets
        self._room = room
        self._share = share

    def ticket(self, caller: CallContext, order: Order) -> Ticket:
        """Checks a request. Raises Invalid."""
        accepted = self._admission.envelope(caller, order, utc_now(), left_s=remaining(math.inf))
        return Ticket(new_job_id(caller.tenant, order.request.priority, order.request_id), accepted)

    async def begin(self, ticket: Ticket) -> event_pb2.JobEvent | None:
        """Commits a job's first event. None when it was there already, from the same request.

        Raises AlreadyExists when it was there from another one; Exhausted and Overloaded when there is no room, or
        nothing left to spend.
        """
        try:
            return await self._commit(ticket)
        except AlreadyAccepted as repeat:
            first = repeat.first
        except (Exhausted, Overloaded):
            # A repeat needs no room, and spends nothing.
            found = await self._log.first(ticket.job_id) if ticket.accepted.request_id else None
            if found is None:
                raise
            first = found
        check_repeat(first, ticket.accepted)
        return None

    async def _commit(self, ticket: Ticket) -> event_pb2.JobEvent:
        job_id, accepted = ticket.job_id, ticket.accepted
        self._room.check()
        found = await self._answers.find(accepted.request)
        if found and self._admission.carries(found.answer):
            return await self._log.answer(job_id, answered(accepted, found.answer, found.hit))
        await self._budgets.admit(accepted)
        async with self._quota.place(accepted.tenant):
            return await self._log.accept(job_id, accepted, self._share(accepted.tenant).max_in_flight)
