"""What is served when every provider failed: an answer from the cache, the fresh before the stale."""

from weft.cache.v1 import cache_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog import routing
from weft_kit.joblog import pieces
from weft_router import metrics
from weft_router.answering.cache_client import AnswerCache
from weft_router.job import terminal_events
from weft_router.job.job import Job
from weft_router.validation.response_format import find_fault


class LastResortAnswers:
    """Looks for answers that were given before."""

    def __init__(self, answers: AnswerCache) -> None:
        self._answers = answers

    async def serve(self, job: Job, allowed: routing.LastResort) -> event_pb2.Done | None:
        """Returns the record of a job that a stored answer ends, with its text in the log; None when there is none.

        Raises:
            Fenced: somebody else moved the job on.
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
    if job.said:
        await job.writer.append(event_pb2.Rewound(to_sequence=job.accepted_sequence))
        job.start_over()
    if found.answer.text:
        # Readers put the text together from what they are sent.
        said = event_pb2.Delta(text=found.answer.text)
        for piece in pieces(said):
            job.text_sequence = await job.writer.append(piece)
        job.said.add(said)
    return terminal_events.from_cache(job, found.answer, found.hit)
