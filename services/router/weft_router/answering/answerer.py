"""A job's answer: from its alias, from a better alias if that is not good enough, or from the last resort."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_router.answering.attempt_loop import AttemptLoop
from weft_router.answering.attempt_rules import AttemptRules, alias_of
from weft_router.answering.escalation import shortcoming
from weft_router.answering.last_resort import LastResortAnswers
from weft_router.budgets.claims import BudgetSpent
from weft_router.fleet.outage import ProviderOutage, outage
from weft_router.fleet.registry import Registry
from weft_router.job import terminal_events
from weft_router.job.job import Job, JobFailed
from weft_router.providers.provider import ProviderError
from weft_router.routing import retry_policy
from weft_router.validation.completeness import is_silent
from weft_router.validation.response_format import find_fault, must_have_form


class Answerer:
    """Makes the calls that answer jobs. `registry` lends the providers as they are configured now."""

    def __init__(
        self,
        registry: Callable[[], AbstractContextManager[Registry]],
        last_resort: LastResortAnswers,
        rules: AttemptRules,
    ) -> None:
        self._registry = registry
        self._last_resort = last_resort
        self._rules = rules

    async def answer_shared(self, job: Job) -> event_pb2.Done:
        """Makes the call that a flight shares, which may outlive the job that started it; otherwise like `answer`."""
        with self._registry() as registry:
            return await self.answer(job, registry)

    async def answer(self, job: Job, registry: Registry) -> event_pb2.Done:
        """Returns the job's record, SUCCEEDED or FAILED, with every token of it committed.

        Raises:
            BudgetSpent: a budget is exhausted now, but will have room before the job expires.
            ProviderOutage: no provider takes its call now, and it is to wait for one.
            Fenced: another writer has moved the job on.
        """
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
            why = retry_policy.verdict(error, job.attempts, self._rules.limits_of(job), left_s)
        except ProviderOutage as found:
            met, why = found, retry_policy.outage_verdict(found.error, job.attempts)
        if served := await self._instead(job, registry):
            return served
        if met and met.may_pass and self._rules.limits_of(job).waits:
            raise met
        return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, why)

    async def give_up(self, job: Job, registry: Registry, why: job_pb2.JobError) -> event_pb2.Done:
        """Returns the record of a job for which no provider could be called any more, or all calls failed."""
        return await self._instead(job, registry) or terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, why)

    def expect_provider(self, job: Job, registry: Registry) -> None:
        """Raises ProviderOutage early, for a job that would otherwise find out only after its search, or in a call that
        it shares, that it has to wait.
        """
        alias = alias_of(job, registry)
        if alias.last_resort or not self._rules.limits_of(job).waits:
            return
        candidates = registry.candidates(self._rules.orders(job, registry, job.request.model), job.attempts)
        found = outage(job.request.model, registry, candidates)
        if found and found.may_pass:
            raise found

    async def _instead(self, job: Job, registry: Registry) -> event_pb2.Done | None:
        """Returns the record of a job that is served by the last resort; None if there is nothing to serve."""
        if job.standing is not None:
            return terminal_events.succeeded(job, job.standing.finished)
        alias = registry.catalog.models.get(job.request.model)
        return await self._last_resort.serve(job, alias.last_resort) if alias and alias.last_resort else None

    async def _answer(self, job: Job, registry: Registry) -> inference_pb2.Finished:
        """Calls the alias, and another in its place as long as the answer is not good enough.

        An empty answer may be intended, or a fault of the provider: it is requested once more, then accepted.
        """
        models, name = registry.catalog.models, job.request.model
        was_asked_again = False
        draft = alias_of(job, registry).draft if job.request.routing.draft else None
        while True:
            drafts = self._rules.orders(job, registry, draft, may_be_replaced=True) if draft else {}
            rule = models[name].escalate
            minds_form = bool(rule and rule.off_schema)
            may_be_replaced = bool(drafts or rule)
            orders = self._rules.orders(
                job, registry, name, may_be_replaced=may_be_replaced, checks_form=not minds_form
            )
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
        return is_silent(finished, job.said) and len(job.attempts) < self._rules.limits_of(job).max_attempts
