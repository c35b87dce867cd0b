"""Serves an answer from the cache when every provider failed, preferring fresh to stale ones."""

from weft.cache.v1 import cache_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog import routing
from weft_router import metrics
from weft_router.answering.cache_client import AnswerCache
from weft_router.job import terminal_events
from weft_router.job.job import Job
from weft_router.validation.response_format import find_fault


class LastResortAnswers:
    """Finds answers that were given before."""

    def __init__(self, answers: AnswerCache) -> None:
        self._answers = answers

    async def serve(self, job: Job, allowed: routing.LastResort) -> event_pb2.Done | None:
        """Returns the record of a job that ends with a stored answer, whose text is in the log; None if there is none.

        Raises:
            Fenced: another writer has moved the job on.
        """
        if not allowed.cached and not allowed.stale_within_s:
            return None
        found = await self._answers.find(job.request, job.collection_version, allowed.stale_within_s)
        if found is not None and await find_fault(job.request.response_format, found.answer.text):
            found = None  # stored by a router of before forms were checked
        if found is None:
            metrics.LAST_RESORTS.labels("nothing").inc()
            return None
        metrics.LAST_RESORTS.labels("stale" if found.hit.served_stale else "cached").inc()
        return await _served(job, found)


async def _served(job: Job, found: cache_pb2.Found) -> event_pb2.Done:
    await job.withdraw()
    if found.answer.text:
        # Readers assemble the text from the deltas they receive.
        await job.say(event_pb2.Delta(text=found.answer.text))
    return terminal_events.from_cache(job, found.answer, found.hit)
