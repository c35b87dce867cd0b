"""A job's way to its answer: somebody to ask, its context, then a call of its own or one that it shares."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from weft.job.v1 import event_pb2
from weft_router.answering.answerer import Answerer
from weft_router.answering.attempt_rules import alias_of
from weft_router.fleet.registry import Registry
from weft_router.job.job import Job, JobFailed
from weft_router.pipeline.context import ContextFinder
from weft_router.single_flight.flights import Flights
from weft_router.single_flight.joining import may_join


class Pipeline:
    """Brings jobs to an answer, or to the reasons why there is none.

    `registry` lends the providers as configured now; a job keeps those it began with.
    """

    def __init__(
        self,
        registry: Callable[[], AbstractContextManager[Registry]],
        context: ContextFinder,
        flights: Flights,
        answerer: Answerer,
    ) -> None:
        self._registry = registry
        self._context = context
        self._flights = flights
        self._answerer = answerer

    async def run(self, job: Job) -> event_pb2.Done:
        """Returns the job's record, SUCCEEDED or FAILED, with every token of it committed.

        Raises:
            BudgetSpent: a budget is exhausted now, but will have room before the job expires.
            ProviderOutage: no provider takes its call now, and it is to wait for one.
            Fenced: another writer has moved the job on.
        """
        with self._registry() as registry:
            try:
                alias = alias_of(job, registry)
                is_shared = alias.single_flight and may_join(job.request, alias.cache)
                if is_shared or job.request.HasField("retrieval"):
                    self._answerer.expect_provider(job, registry)
                await self._context.find(job, registry)
            except JobFailed as failure:
                return await self._answerer.give_up(job, registry, failure.error)
            if not is_shared:
                return await self._answerer.answer(job, registry)
        return await self._flights.answer(job)
