"""What is served when every provider failed: an answer from the cache, the fresh before the stale."""

from google.protobuf import duration_pb2

from weft.cache.v1 import cache_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit import routing_entries
from weft_router import metrics, records
from weft_router.answer_cache import AnswerCache
from weft_router.job import Job


class LastResort:
    """Looks for answers that were given before."""

    def __init__(self, answers: AnswerCache) -> None:
        self._answers = answers

    async def serve(self, job: Job, allowed: routing_entries.LastResort) -> event_pb2.Done | None:
        """Return the record of a job that a stored answer ends, with its text in the log; None when there is none.

        Raises:
            Fenced: somebody else moved the job on.
        """
        for request, is_stale in _questions(job.request, allowed):
            found = await self._answers.find(request, job.collection_version)
            if found is not None:
                metrics.LAST_RESORTS.labels("stale" if is_stale else "cached").inc()
                return await _served(job, found, is_stale=is_stale)
        metrics.LAST_RESORTS.labels("nothing").inc()
        return None


def _questions(
    request: job_pb2.GenerationRequest, allowed: routing_entries.LastResort
) -> list[tuple[job_pb2.GenerationRequest, bool]]:
    """Return what to look for, in turn, and whether what is found is staler than the request wants."""
    questions = [(request, False)] if allowed.cached else []
    wanted_s = request.cache.max_age.ToNanoseconds() / 1e9
    if request.cache.HasField("max_age") and wanted_s < allowed.stale_within_s:
        lenient = job_pb2.GenerationRequest()
        lenient.CopyFrom(request)
        lenient.cache.max_age.CopyFrom(duration_pb2.Duration(seconds=allowed.stale_within_s))
        questions.append((lenient, True))
    return questions


async def _served(job: Job, found: cache_pb2.Found, *, is_stale: bool) -> event_pb2.Done:
    if job.said:
        await job.writer.append(event_pb2.Rewound(to_sequence=job.accepted_sequence))
        job.start_over()
    if found.answer.text:
        # Readers put the text together from what they are sent.
        said = event_pb2.Delta(text=found.answer.text)
        job.text_sequence = await job.writer.append(said)
        job.said.add(said)
    hit = job_pb2.CacheHit()
    hit.CopyFrom(found.hit)
    hit.served_stale = is_stale
    return records.from_cache(job, found.answer, hit)
