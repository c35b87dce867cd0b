"""What holds for every attempt of this replica: how many a job may have, and what each asks for."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from weft_kit.catalog.catalog import ModelAlias
from weft_router.budgets.budgets import Budgets
from weft_router.fleet.registry import Registry
from weft_router.job import terminal_events
from weft_router.job.answer_limit import MAX_ANSWER_BYTES, AnswerLimit
from weft_router.job.job import Job, JobFailed, JobOrder
from weft_router.job.usage import max_tokens
from weft_router.routing.retry_budget import RetryBudgets
from weft_router.routing.retry_policy import RetryLimits
from weft_router.routing.selection import Draw
from weft_router.routing.timeouts import timeouts


@dataclass(frozen=True, slots=True)
class AttemptRules:
    """How many attempts a job may have, what they may spend and what they ask for. `draw` gives chance its numbers."""

    limits: RetryLimits
    retry_budgets: RetryBudgets
    budgets: Budgets
    draw: Draw = random.random
    max_answer_bytes: int = MAX_ANSWER_BYTES

    def limits_of(self, job: Job) -> RetryLimits:
        """Returns how often a job may be tried, given its request and the refusals so far."""
        return self.limits.of(job.request).after(job.unexplained)

    def orders(
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
                AnswerLimit(self.max_answer_bytes, longest),
                may_be_replaced,
                checks_form,
            )

        return {name: order(alias) for name, alias in registry.catalog.chain(name).items()}


def alias_of(job: Job, registry: Registry) -> ModelAlias:
    """Returns the alias that a job names.

    Raises:
        JobFailed: it has been removed since the job was accepted.
    """
    models = registry.catalog.models
    if job.request.model not in models:
        raise JobFailed(terminal_events.unknown_model(job.request.model, models))
    return models[job.request.model]
