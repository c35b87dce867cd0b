"""A job's attempts, until one answers or none is left."""

import random
import time
from collections.abc import Callable
from itertools import count

import stamina

from weft.common.v1 import error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.catalog import ModelAlias
from weft_router import policy, records
from weft_router.generation import Generation, begin
from weft_router.job import Job, JobFailed, Order, max_tokens
from weft_router.policy import KeptAway, RetryLimits
from weft_router.prompt import compose, question
from weft_router.providers.port import ProviderError, Remedy
from weft_router.registry import Registry
from weft_router.retrieval_context import Retrieval


class Attempts:
    """Brings jobs to an answer, or to the reasons why there is none."""

    def __init__(self, registry: Registry, retrieval: Retrieval, limits: RetryLimits, flush_interval_s: float) -> None:
        self._registry = registry
        self._retrieval = retrieval
        self._limits = limits
        self._flush_interval_s = flush_interval_s
        self._draw = random.random

    async def run(self, job: Job) -> event_pb2.Done:
        """Return the job's record, SUCCEEDED or FAILED, with every token of it committed.

        Raises:
            Fenced: somebody else moved the job on.
        """
        try:
            finished = await self._answer(job, await self._order(job))
        except JobFailed as failure:
            return records.ended(job, job_pb2.JOB_STATE_FAILED, failure.error)
        except ProviderError as error:
            why = policy.verdict(error, job.attempts, self._limits.max_attempts, job.left_s(time.time()))
            return records.ended(job, job_pb2.JOB_STATE_FAILED, why)
        return records.succeeded(job, finished)

    async def _order(self, job: Job) -> Order:
        """Find out what to ask for, with context where the request wants it."""
        request, models = job.request, self._registry.catalog.models
        alias = models.get(request.model)
        if alias is None:
            raise JobFailed(records.unknown_model(request.model, models))
        order = Order(alias, max_tokens(request, alias))
        if request.HasField("retrieval"):
            patiently = stamina.AsyncRetryingCaller(attempts=self._limits.max_attempts, timeout=None)
            asked = question(request.messages)
            found = await patiently(self._wait_for_retrieval(job), self._retrieval.find, request.retrieval, asked)
            prompt = compose(request.messages, found.hits, alias.context_tokens - order.max_tokens)
            job.messages, job.sources = prompt.messages, list(prompt.sources)
            job.collection_version = found.collection_version
        return order

    async def _answer(self, job: Job, order: Order) -> inference_pb2.Finished:
        left = self._limits.max_attempts - policy.counted(job.attempts)
        if left <= 0:
            raise JobFailed(policy.exhausted(job.attempts))
        patiently = stamina.AsyncRetryingCaller(attempts=left, timeout=None)
        return await patiently(self._wait_before_retry(job, order.alias), self._attempt, job, order)

    async def _attempt(self, job: Job, order: Order) -> inference_pb2.Finished:
        choice = policy.choose(self._registry.candidates(order.alias, job.attempts), order.alias.selection)
        if choice is None:
            raise await self._kept_away(job, order.alias)
        asked = self._registry.providers[choice.route.provider]
        # Counted before anything is awaited, so that many jobs at once cannot all be the one probe of a breaker.
        with asked.health.calling():
            return await Generation(job, order, asked, choice, self._flush_interval_s).run()

    async def _kept_away(self, job: Job, alias: ModelAlias) -> ProviderError:
        """Record a try that asked nobody, because every breaker is open."""
        wait_s = self._registry.wait_for_any_s(alias)
        message = f"every provider of {job.request.model!r} keeps failing; one is asked again in {wait_s:.1f} s"
        error = KeptAway(error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, message, Remedy.ANOTHER_TRY, wait_s)
        attempt = job_pb2.Attempt(
            number=len(job.attempts) + 1,
            provider=alias.routes[0].provider,
            error=error.to_wire(),
            chosen_because="no breaker lets a call pass",
        )
        job.resumes_after = job.text_sequence
        await begin(job, attempt)
        return error

    def _wait_before_retry(self, job: Job, alias: ModelAlias) -> Callable[[Exception], float | bool]:
        """Return what stamina asks after a failure: False ends it, a number waits that many seconds."""

        def decide(error: Exception) -> float | bool:
            if not isinstance(error, ProviderError):
                return False
            candidates = self._registry.candidates(alias, job.attempts)
            if not policy.may_try_again(error, candidates):
                return False
            backoff_s, left_s = self._backoff_s(job, policy.counted(job.attempts)), job.left_s(time.time())
            wait_s = policy.wait_before_retry(error, candidates, backoff_s, self._limits.longest_wait_s, left_s)
            return False if wait_s is None else wait_s

        return decide

    def _wait_for_retrieval(self, job: Job) -> Callable[[Exception], float | bool]:
        """Return the same for a search, which is no attempt: nobody was asked for an answer yet."""
        failures = count(1)

        def decide(error: Exception) -> float | bool:
            may_pass = isinstance(error, JobFailed) and error.error.retryable
            return may_pass and self._backoff_s(job, next(failures))

        return decide

    def _backoff_s(self, job: Job, failures: int) -> float:
        return policy.backoff_s(failures, self._limits, job.left_s(time.time()), self._draw())
