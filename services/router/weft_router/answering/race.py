"""The race to write a job's answer: which attempts are made, and which of them writes to the log.

Each entrant asks one provider. Whoever has its first useful token first takes the lead: it alone writes, and those that
lost are stopped at once. One that ended without a word has nothing to write: it waits for the others. An entrant of a
higher rank takes the lead even from one that is speaking or has spoken: a draft gives way to the answer. What is
written is fenced by the log all the same: a race decides among friends.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weft.inference.v1 import inference_pb2
from weft_router import metrics
from weft_router.answering.attempt import Attempt
from weft_router.budgets.claims import BudgetSpent
from weft_router.job.job import Job
from weft_router.providers.provider import ProviderError, broken


@dataclass(frozen=True, slots=True)
class Late:
    """Who joins the race if no attempt leads after `after_s` seconds; `entrant` may return None."""

    after_s: float
    entrant: Callable[[], Attempt | None]


class Race:
    """One race for one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._holder: Attempt | None = None
        self._tasks: dict[asyncio.Task[inference_pb2.Finished], Attempt] = {}
        self._wordless: set[Attempt] = set()
        """Attempts that have ended without text."""
        self._error: ProviderError | BudgetSpent | None = None
        self._rank_failed = -1

    async def run(
        self, first: Attempt, beside: Sequence[Attempt] = (), late: Late | None = None
    ) -> inference_pb2.Finished:
        """Returns the end of the winner's answer, with every token of it committed.

        `first` writes to the log that it begins before its provider is called; the others do so once they lead.

        Raises:
            ProviderError: no attempt of the highest rank answered. If a lower one did, its answer is kept.
            BudgetSpent: a budget is exhausted for every attempt of the highest rank.
            Fenced: another writer has moved the job on.
        """
        try:
            await first.begin()
            if not beside and late is None:
                return await first.run(self._take_lead)
            for entrant in (first, *beside):
                self._enter(entrant)
            if late is not None and not await self._is_decided(late.after_s) and (hedge := late.entrant()):
                metrics.HEDGES.labels(hedge.attempt.provider).inc()
                self._enter(hedge)
            return await self._result(max(entrant.rank for entrant in self._tasks.values()))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for entrant in (first, *beside, *self._tasks.values()):
                entrant.close()  # also those that were stopped before they began

    def _enter(self, entrant: Attempt) -> None:
        self._tasks[asyncio.create_task(entrant.run(self._take_lead))] = entrant

    async def _is_decided(self, after_s: float) -> bool:
        """Waits for the first token, an end, or `after_s` seconds.

        Returns whether there is no need for another entrant.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + after_s
        pending = set(self._tasks)
        while pending and self._holder is None and (left_s := until - loop.time()) > 0:
            ended, pending = await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if any(not task.cancelled() and task.exception() for task in ended):
                return True
        return self._holder is not None or not pending

    async def _result(self, highest: int) -> inference_pb2.Finished:
        pending = set(self._tasks)
        while pending:
            ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                entrant = self._tasks[task]
                finished = self._settled(task, entrant)
                if finished is not None and entrant.rank == highest:
                    return finished
                if finished is not None:
                    self._job.keep_standing(finished, entrant.attempt)
        raise self._error or broken("gave no answer")

    def _settled(self, task: "asyncio.Task[inference_pb2.Finished]", entrant: Attempt) -> inference_pb2.Finished | None:
        """Returns the end of an entrant's answer; None if it lost, or failed while others are still running."""
        if task.cancelled():
            return None
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, ProviderError | BudgetSpent):
            raise error
        # An exhausted budget for one says less than the failure of another.
        says_more = entrant.rank == self._rank_failed and isinstance(error, ProviderError)
        if says_more or entrant.rank > self._rank_failed:
            self._error, self._rank_failed = error, entrant.rank
        return None

    async def _take_lead(self, entrant: Attempt) -> None:
        """Gives the lead to `entrant` and stops the losers, so that two never write."""
        if entrant.has_ended:
            await self._others(entrant)
        before, self._holder = self._holder, entrant
        losers = {task: other for task, other in self._tasks.items() if other is not entrant and not task.done()}
        for task, other in losers.items():
            if other.rank <= entrant.rank:
                other.lose(spoke=other is before)
                task.cancel()
        if speaking := [task for task, other in losers.items() if other is before]:
            # It may be in the middle of a write, and a job has one writer.
            await asyncio.wait(speaking)
        await entrant.begin_writing()

    async def _others(self, entrant: Attempt) -> None:
        """Waits until no entrant is left that may still produce text; is cancelled once one does."""
        self._wordless.add(entrant)
        while left := [task for task, other in self._tasks.items() if not task.done() and other not in self._wordless]:
            await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
