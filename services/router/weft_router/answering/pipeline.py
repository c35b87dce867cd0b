"""The steps of a job to its answer: context, its alias, a better alias if the answer is not good enough, the last
resort.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from itertools import count

import stamina

from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog.catalog import ModelAlias
from weft_router.answering.attempt_loop import AttemptLoop, AttemptRules
from weft_router.answering.escalation import shortcoming
from weft_router.answering.last_resort import LastResortAnswers
from weft_router.answering.prompt import compose, question
from weft_router.answering.retrieval_client import Retrieval
from weft_router.budgets.claims import BudgetSpent
from weft_router.fleet.outage import ProviderOutage, outage
from weft_router.fleet.registry import Registry
from weft_router.job import terminal_events
from weft_router.job.answer_limit import AnswerLimit
from weft_router.job.job import (
    Job,
    JobFailed,
    JobOrder,
)
from weft_router.job.usage import max_tokens
from weft_router.providers.provider import ProviderError
from weft_router.routing import retry_policy
from weft_router.routing.retry_policy import RetryLimits
from weft_router.routing.timeouts import timeouts
from weft_router.single_flight.flights import Flights
from weft_router.single_flight.joining import may_join
from weft_router.validation.completeness import is_silent
from weft_router.validation.response_format import find_fault, must_have_form


class Pipeline:
    """Brings jobs to an answer, or to the reasons why there is none.

    `registry` lends the providers as configured now; a job keeps those it began with.
    """

    def __init__(
        self,
        registry: Callable[[], AbstractContextManager[Registry]],
        retrieval: Retrieval,
        last_resort: LastResortAnswers,
        rules: AttemptRules,
        flights: Flights,
    ) -> None:
        self._registry = registry
        self._retrieval = retrieval
        self._last_resort = last_resort
        self._rules = rules
        self._flights = flights

    async def run(self, job: Job) -> event_pb2.Done:
        """Returns the job's record, SUCCEEDED or FAILED, with every token of it committed.

        Raises:
            BudgetSpent: a budget is exhausted now, but will have room before the job expires.
            ProviderOutage: no provider takes its call now, and it is to wait for one.
            Fenced: another writer has moved the job on.
        """
        with self._registry() as registry:
            try:
                self._expect_somebody(job, registry)
                await self._find_context(job, registry)
            except JobFailed as failure:
                return await self._unanswered(job, registry, failure.error)
            alias = _alias(job, registry)
            if not (alias.single_flight and may_join(job.request, alias.cache)):
                return await self._answered(job, registry)
        return await self._flights.answer(job, self._call)

    async def _call(self, job: Job) -> event_pb2.Done:
        """Runs the call of a flight, which may outlive the job that started it."""
        with self._registry() as registry:
            return await self._answered(job, registry)

    def _expect_somebody(self, job: Job, registry: Registry) -> None:
        """Raises ProviderOutage early, for a job that would otherwise find out only after its search that it has to
        wait.
        """
        alias = _alias(job, registry)
        if alias.last_resort or not self._limits(job).waits:
            return
        candidates = registry.candidates(self._orders(job, registry, job.request.model), job.attempts)
        found = outage(job.request.model, registry, candidates)
        if found and found.may_pass:
            raise found

    async def _answered(self, job: Job, registry: Registry) -> event_pb2.Done:
        met: ProviderOutage | None = None
        try:
            return terminal_events.succeeded(job, await self._answer(job, registry))
        except JobFailed as failure:
            why = failure.error
        except BudgetSpent as spent:
            if job.standing is None and spent.wait_s is not None and spent.wait_s < job.left_s(time.time()):
                raise
            why = spent.error
        except ProviderError as error:
            left_s = job.left_s(time.time())
            why = retry_policy.verdict(error, job.attempts, self._limits(job), left_s)
        except ProviderOutage as found:
            met, why = found, retry_policy.outage_verdict(found.error, job.attempts)
        if served := await self._instead(job, registry):
            return served
        if met and met.may_pass and self._limits(job).waits:
            raise met
        return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, why)

    async def _unanswered(self, job: Job, registry: Registry, why: job_pb2.JobError) -> event_pb2.Done:
        """Returns the record of a job for which no provider could be called any more, or all calls failed."""
        return await self._instead(job, registry) or terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, why)

    async def _instead(self, job: Job, registry: Registry) -> event_pb2.Done | None:
        """Returns the record of a job that is served by the last resort; None if there is nothing to serve."""
        if job.standing is not None:
            return terminal_events.succeeded(job, job.standing.finished)
        alias = registry.catalog.models.get(job.request.model)
        return await self._last_resort.serve(job, alias.last_resort) if alias and alias.last_resort else None

    def _limits(self, job: Job) -> RetryLimits:
        return self._rules.limits.of(job.request).after(job.unexplained)

    async def _answer(self, job: Job, registry: Registry) -> inference_pb2.Finished:
        """Calls the alias, and another in its place as long as the answer is not good enough.

        An empty answer may be intended, or a fault of the provider: it is requested once more, then accepted.
        """
        models, name = registry.catalog.models, job.request.model
        was_asked_again = False
        draft = _alias(job, registry).draft if job.request.routing.draft else None
        while True:
            drafts = self._orders(job, registry, draft, may_be_replaced=True) if draft else {}
            rule = models[name].escalate
            minds_form = bool(rule and rule.off_schema)
            orders = self._orders(job, registry, name, may_be_replaced=bool(drafts or rule), checks_form=not minds_form)
            finished = await AttemptLoop(job, registry, self._rules, orders, drafts).answer()
            fault = await find_fault(job.request.response_format, job.said.text) if minds_form else None
            why = shortcoming(rule, job.said, fault) if rule else None
            following = rule.to if rule and why else name
            if why is None and not was_asked_again and self._may_ask_again(job, finished):
                why, was_asked_again = "silent", True
            if why is None:
                return finished
            # A complete answer is in the log: this worker's attempt produced it.
            attempt = job.answering or job.attempts[-1]
            attempt.chosen_because += f"; its answer was {why}"
            if fault and must_have_form(job.said, finished):
                # It cannot be the job's answer even if no better one comes: the next attempt withdraws it.
                attempt.result = job_pb2.Attempt.RESULT_REPLACED
            else:
                job.keep_standing(finished, attempt)
            name, draft = following, None

    def _may_ask_again(self, job: Job, finished: inference_pb2.Finished) -> bool:
        """Returns whether an answer is empty and another attempt is allowed, to see whether that was intended."""
        return is_silent(finished, job.said) and len(job.attempts) < self._limits(job).max_attempts

    async def _find_context(self, job: Job, registry: Registry) -> None:
        """Adds sources to the prompt if the request wants them, as many as fit every model that may serve it."""
        request, alias = job.request, _alias(job, registry)
        if not request.HasField("retrieval"):
            return
        patiently = stamina.AsyncRetryingCaller(attempts=self._limits(job).max_attempts, timeout=None)
        asked = question(request.messages)
        found = await patiently(self._wait_for_retrieval(job), self._retrieval.find, request.retrieval, asked)
        reached = [request.model, *filter(None, [alias.draft]), *([alias.escalate.to] if alias.escalate else [])]
        within = [order for name in reached for order in self._orders(job, registry, name).values()]
        room = min(order.alias.context_tokens - order.max_tokens for order in within)
        prompt = compose(request.messages, found.hits, room, alias.context)
        left_out = len(found.hits) - len(prompt.sources)
        job.use_context(prompt.messages, prompt.sources, left_out=left_out, collection_version=found.collection_version)

    def _wait_for_retrieval(self, job: Job) -> Callable[[Exception], float | bool]:
        """Answers stamina after a failed search, which is not an attempt: no provider has been called yet."""
        failures = count(1)

        def decide(error: Exception) -> float | bool:
            may_pass = isinstance(error, JobFailed) and error.error.retryable
            left_s = job.left_s(time.time())
            return may_pass and retry_policy.backoff_s(next(failures), self._limits(job), left_s, self._rules.draw())

        return decide

    def _orders(
        self, job: Job, registry: Registry, name: str, *, may_be_replaced: bool = False, checks_form: bool = True
    ) -> Mapping[str, JobOrder]:
        """Returns the orders for an alias and each of its fallbacks."""
        request = job.request
        wanted = request.routing if request.HasField("routing") else None

        def order(alias: ModelAlias) -> JobOrder:
            longest = max_tokens(request, alias)
            return JobOrder(
                alias,
                longest,
                timeouts(alias.timeouts, wanted) if wanted else alias.timeouts,
                AnswerLimit(self._rules.max_answer_bytes, longest),
                may_be_replaced,
                checks_form,
            )

        return {name: order(alias) for name, alias in registry.catalog.chain(name).items()}


def _alias(job: Job, registry: Registry) -> ModelAlias:
    """Returns the alias that a job names; it may have been removed since the job was accepted."""
    models = registry.catalog.models
    if job.request.model not in models:
        raise JobFailed(terminal_events.unknown_model(job.request.model, models))
    return models[job.request.model]
