"""A job's context: what the retrieval service finds for its question, as far as the prompt has room for it."""

import time
from collections.abc import Callable
from itertools import count

import stamina

from weft_router.answering.attempt_rules import AttemptRules, alias_of
from weft_router.fleet.registry import Registry
from weft_router.job.job import Job, JobFailed
from weft_router.pipeline.prompt import compose, question
from weft_router.pipeline.retrieval_client import Retrieval
from weft_router.routing import retry_policy


class ContextFinder:
    """Puts sources into the prompts of jobs that want them. A search that fails is made again, as an attempt would."""

    def __init__(self, retrieval: Retrieval, rules: AttemptRules) -> None:
        self._retrieval = retrieval
        self._rules = rules

    async def find(self, job: Job, registry: Registry) -> None:
        """Takes as many sources as every model that the job may reach has room for.

        Raises:
            JobFailed: the search fails, or the job's alias is unknown.
        """
        request, alias = job.request, alias_of(job, registry)
        if not request.HasField("retrieval"):
            return
        patiently = stamina.AsyncRetryingCaller(attempts=self._rules.limits_of(job).max_attempts, timeout=None)
        asked = question(request.messages)
        found = await patiently(self._wait_before_retry(job), self._retrieval.find, request.retrieval, asked)
        reached = [request.model, *filter(None, [alias.draft]), *([alias.escalate.to] if alias.escalate else [])]
        within = [order for name in reached for order in self._rules.orders(job, registry, name).values()]
        room = min(order.alias.context_tokens - order.max_tokens for order in within)
        prompt = compose(request.messages, found.hits, room, alias.context)
        left_out = len(found.hits) - len(prompt.sources)
        job.use_context(prompt.messages, prompt.sources, left_out=left_out, collection_version=found.collection_version)

    def _wait_before_retry(self, job: Job) -> Callable[[Exception], float | bool]:
        """Answers stamina after a failed search, which is not an attempt: no provider has been called yet."""
        failures = count(1)

        def decide(error: Exception) -> float | bool:
            may_pass = isinstance(error, JobFailed) and error.error.retryable
            left_s = job.left_s(time.time())
            limits = self._rules.limits_of(job)
            return may_pass and retry_policy.backoff_s(next(failures), limits, left_s, self._rules.draw())

        return decide
