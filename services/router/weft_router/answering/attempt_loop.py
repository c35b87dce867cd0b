"""A job's attempts under one alias and its fallbacks, until one answers or none is left."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import stamina

from weft.inference.v1 import inference_pb2
from weft.job.v1 import job_pb2
from weft_kit.joblog import priority_of
from weft_router import metrics
from weft_router.answering.attempt import Attempt
from weft_router.answering.attempt_rules import AttemptRules
from weft_router.answering.race import Late, Race
from weft_router.budgets.budgets import Reservation
from weft_router.budgets.claims import PlannedCall
from weft_router.fleet.concurrency import Waiter
from weft_router.fleet.outage import ProviderOutage, outage
from weft_router.fleet.registry import Registry
from weft_router.job.job import Job, JobFailed, JobOrder
from weft_router.job.token_estimate import estimated_tokens
from weft_router.providers.provider import ProviderError
from weft_router.routing import retry_policy
from weft_router.routing.retry_policy import RetryLimits
from weft_router.routing.selection import (
    Choice,
    RouteCandidate,
    choose,
    remaining,
)

_LOOK_AGAIN_S = 1.0


class AttemptLoop:
    """Calls the providers of one alias for one job. `orders` holds the alias first, then its fallbacks."""

    def __init__(
        self,
        job: Job,
        registry: Registry,
        rules: AttemptRules,
        orders: Mapping[str, JobOrder],
        drafts: Mapping[str, JobOrder],
    ) -> None:
        self._job = job
        self._registry = registry
        self._rules = rules
        self._orders = orders
        self._drafts = drafts
        self._name, self._order = next(iter(orders.items()))
        self._alias = self._order.alias
        is_priced = any(order.alias.selection == "cheapest" for order in (*orders.values(), *drafts.values()))
        self._prompt_tokens = estimated_tokens(job.messages) if is_priced else 0

    @property
    def _limits(self) -> RetryLimits:
        return self._rules.limits_of(self._job)

    async def answer(self) -> inference_pb2.Finished:
        """Returns the end of a whole answer, committed.

        Raises:
            ProviderError: the last failure; no further attempt may help, or none is allowed.
            ProviderOutage: no provider takes its calls now.
            JobFailed: the job has no attempt left.
            BudgetSpent: the budget does not allow another attempt now.
            Fenced: another writer has moved the job on.
        """
        if why := retry_policy.given_up(self._job.attempts, self._limits):
            raise JobFailed(why)
        try:
            return await self._attempt_patiently()
        except ProviderError as error:
            if (wait_s := self._wait_s(error)) is None:
                raise
            raise ProviderOutage(error, wait_s) from error

    async def _attempt_patiently(self) -> inference_pb2.Finished:
        try:
            return await self._attempt()
        except ProviderError as error:
            failed = [error]

        async def attempt() -> inference_pb2.Finished:
            if failed:
                raise failed.pop()
            return await self._attempt()

        # stamina takes 0.1 ms of CPU even where nothing fails, so it takes over only once an attempt has failed.
        patiently = stamina.AsyncRetryingCaller(attempts=None, timeout=None)
        return await patiently(self._wait_before_retry, attempt)

    async def _attempt(self) -> inference_pb2.Finished:
        first = self._entrant(await self._choice(), self._orders, rank=int(self._job.standing is not None))
        if draft := self._draft():
            first.rank = 1
            return await Race(self._job).run(draft, [first])
        beside = self._rivals(first)
        return await Race(self._job).run(first, beside, None if beside else self._late(first))

    async def _choice(self) -> Choice:
        """Chooses a route once a call is allowed, and waits for capacity if every healthy provider is at its limit."""
        extra = self._rules.retry_budgets.retries(self._name, self._alias.retries)
        is_retry = retry_policy.adds_load(self._job.attempts)
        while True:
            candidates = self._candidates(self._orders)
            choice = choose(candidates, self._rules.draw)
            left = remaining(candidates)
            if choice is None and (kept_away := outage(self._job.request.model, self._registry, left)):
                raise kept_away
            if choice is None:
                metrics.WAITS.labels("room").inc()
                await self._registry.room(left, self._waiter())
            elif not is_retry:
                extra.called(time.monotonic())
                return choice
            elif extra.take(time.monotonic()):
                return choice
            else:
                # In an outage every job wants to retry. The job lives on, but must not add load now.
                metrics.WAITS.labels("retry_budget").inc()
                await asyncio.sleep(_LOOK_AGAIN_S * self._rules.draw())

    def _waiter(self) -> Waiter:
        tenant = self._job.accepted.tenant
        priority = priority_of(self._job.request.priority)
        is_expedited = priority == job_pb2.PRIORITY_HIGH and self._registry.catalog.share(tenant).expedited
        return Waiter(tenant, priority, self._order.max_tokens, is_expedited)

    def _candidates(self, orders: Mapping[str, JobOrder]) -> list[RouteCandidate]:
        job = self._job
        region = job.request.routing.prefer_region
        return self._registry.candidates(orders, job.attempts, region, self._prompt_tokens)

    def _entrant(self, choice: Choice, orders: Mapping[str, JobOrder], rank: int = 0) -> Attempt:
        provider = self._registry.providers[choice.route.provider].provider
        call, order = self._registry.call(choice.route), orders[choice.alias]
        longest = self._registry.catalog.providers[choice.route.provider].most_tokens(order.max_tokens)
        if longest != order.limit.max_tokens:
            order = replace(order, limit=replace(order.limit, max_tokens=longest))
        reserve = partial(self._reserve, choice, order)
        return Attempt(self._job, order, choice, provider, call, reserve, rank)

    async def _reserve(self, choice: Choice, order: JobOrder) -> Reservation:
        accepted, messages = self._job.accepted, self._job.messages
        call = PlannedCall(
            accepted.tenant,
            accepted.key_id,
            accepted.key_budget,
            choice.route.provider,
            choice.route.model,
            # Text that is continued is read as part of the prompt, rather than written.
            prompt_tokens=lambda: estimated_tokens(messages),
            max_tokens=order.limit.max_tokens,
            limit_s=order.timeouts.total_s,
        )
        return await self._rules.budgets.reserve(call, self._registry.catalog)

    def _draft(self) -> Attempt | None:
        """Returns the route that drafts meanwhile, if the request wants a draft and no text has been sent yet."""
        if not self._drafts or self._job.said or self._job.standing is not None:
            return None
        choice = choose(self._candidates(self._drafts), self._rules.draw)
        return self._entrant(_noted(choice, "draft"), self._drafts) if choice else None

    def _rivals(self, first: Attempt) -> list[Attempt]:
        """Returns the routes that are called at the same time. A text that is being continued has no rivals."""
        wanted = self._job.request.routing
        number = min(wanted.first_of if wanted.HasField("first_of") else self._alias.first_of, self._alias.first_of)
        rivals: list[Attempt] = []
        while len(rivals) < number - 1 and not self._job.said:
            asked = [first, *rivals]
            choice = choose(self._candidates(self._orders), self._rules.draw, _providers(asked))
            if choice is None:
                break
            rivals.append(self._entrant(_noted(choice, f"one of {number} at once"), self._orders, first.rank))
        return rivals

    def _late(self, first: Attempt) -> Late | None:
        """Returns the second route to call when the first token is late, if the alias hedges."""
        hedge = self._alias.hedge
        if hedge is None or self._job.said:
            return None
        retry_budget = self._rules.retry_budgets.hedges(self._name, hedge)
        retry_budget.called(time.monotonic())
        after_s = hedge.after_s or first.unusually_late_s()
        if after_s is None:
            return None

        def entrant() -> Attempt | None:
            choice = choose(self._candidates(self._orders), self._rules.draw, _providers([first]))
            if choice is None or not retry_budget.take(time.monotonic()):
                return None
            because = f"hedge: no token after {after_s * 1000:.0f} ms"
            return self._entrant(_noted(choice, because), self._orders, first.rank)

        return Late(after_s, entrant)

    def _wait_before_retry(self, error: Exception) -> float | bool:
        """Answers stamina after a failure: False ends the loop, a number waits that many seconds."""
        if not isinstance(error, ProviderError):
            return False
        # A job that was turned away this often waits better in the queue than here.
        is_patient = len(retry_policy.failures(self._job.attempts)) < self._limits.max_attempts
        wait_s = self._wait_s(error) if is_patient else None
        if wait_s is None:
            return False
        # If all routes are held back, that is found out at once, and waited for elsewhere.
        return wait_s if any(one.allowed for one in remaining(self._candidates(self._orders))) else 0.0

    def _wait_s(self, error: ProviderError) -> float | None:
        """Returns the seconds until the next attempt after a failure; None if none may help, or none is allowed."""
        job, limits = self._job, self._limits
        candidates = remaining(self._candidates(self._orders))
        is_last = retry_policy.counted(job.attempts, limits) >= limits.max_attempts
        if is_last or not retry_policy.may_try_again(error, candidates, job.unexplained):
            return None
        left_s = job.left_s(time.time())
        backoff_s = retry_policy.backoff_s(len(retry_policy.failures(job.attempts)), limits, left_s, self._rules.draw())
        return retry_policy.wait_before_retry(error, candidates, backoff_s, limits.longest_wait_s, left_s)


def _noted(choice: Choice, why: str) -> Choice:
    return Choice(choice.route, f"{why}; {choice.because}", choice.alias)


def _providers(asked: Iterable[Attempt]) -> set[str]:
    return {one.attempt.provider for one in asked}
