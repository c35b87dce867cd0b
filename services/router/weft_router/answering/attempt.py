"""One attempt: a provider's stream, turned into committed tokens once the attempt may write."""

import time
from collections.abc import Awaitable, Callable

import structlog
from google.protobuf import duration_pb2

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import TokenWriter
from weft_kit.rpc.time import elapsed, seconds_of
from weft_router import metrics
from weft_router.budgets.budgets import Reservation
from weft_router.fleet.calls import ProviderCall
from weft_router.job import usage
from weft_router.job.job import Job, JobOrder
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.provider import (
    Provider,
    ProviderError,
    Remedy,
    broken,
)
from weft_router.routing.retry_policy import can_continue
from weft_router.routing.selection import Choice
from weft_router.routing.timeouts import patience
from weft_router.validation.completeness import judged
from weft_router.validation.response_format import failure, find_fault, must_have_form
from weft_router.validation.stop_texts import StopTexts

Reserve = Callable[[], Awaitable[Reservation]]
"""Reserves what an attempt may cost from the budgets; raises BudgetSpent."""

TakeLead = Callable[["Attempt"], Awaitable[None]]
"""Returns once the attempt may write to the log; is cancelled if another one may."""

_MODEL_CHARACTERS = 256

_RESULT_LABELS = {
    job_pb2.Attempt.RESULT_SUCCEEDED: "ok",
    job_pb2.Attempt.RESULT_LOST_RACE: "lost_race",
    job_pb2.Attempt.RESULT_REPLACED: "replaced",
    job_pb2.Attempt.RESULT_STOPPED: "interrupted",
}


class Attempt:
    """Calls one provider for one job's answer. An attempt of a higher `rank` may replace a complete answer."""

    def __init__(
        self,
        job: Job,
        order: JobOrder,
        choice: Choice,
        provider: Provider,
        call: ProviderCall,
        reserve: Reserve,
        rank: int = 0,
    ) -> None:
        self.rank = rank
        self.attempt = job_pb2.Attempt(
            provider=choice.route.provider, provider_model=choice.route.model, chosen_because=choice.because
        )
        self.goes_on = False
        """Whether it continues the text so far."""
        self._job = job
        self._order = order
        self._model = choice.route.model
        self._provider = provider
        self._call = call
        self._reserve = reserve
        self._reservation: Reservation | None = None
        self._began = 0.0
        self._has_begun = self._may_write = self._is_closed = False
        self._meter = usage.Meter(job.messages)

    def unusually_late_s(self) -> float | None:
        """Returns after how long its first token is late; None while too little is known about its provider."""
        return self._call.unusually_late_s()

    @property
    def has_ended(self) -> bool:
        """Whether its provider has sent the end."""
        return self._meter.is_whole

    async def begin(self) -> None:
        """Says in the log that the attempt begins, from where the text stands or from nothing.

        While a complete answer is kept, nothing is written: it stays until there is a better one.

        Raises:
            BudgetSpent: a budget is exhausted; nothing was written.
            Fenced: another writer has moved the job on.
        """
        await self._hold()
        if self._job.standing is not None:
            return
        self._job.resume_after(await self._position())
        await self._job.begin(self.attempt)
        self._has_begun = True

    async def run(self, take_lead: TakeLead) -> inference_pb2.Finished:
        """Returns the end of a whole answer, with every token committed and the attempt on record.

        Raises:
            ProviderError: the provider failed; its text so far is committed.
            BudgetSpent: a budget is exhausted; no provider was called, and nothing is recorded.
            Fenced: another writer has moved the job on.
        """
        await self._hold()
        if not self._has_begun:
            self._job.enlist(self.attempt)
        self._began = time.perf_counter()
        try:
            finished = await self._stream(take_lead)
        except ProviderError as error:
            if error.reason == error_pb2.ERROR_REASON_ANSWER_INVALID and self._is_last_answer():
                error.remedy = Remedy.NOTHING  # also where the provider itself refused what its model wrote
            if not error.remedy.may_pass:
                self.attempt.provider_model = self._model  # by which its route is recognised as one that refused
            self._job.count_refusal(is_explained=error.remedy is not Remedy.NEXT_ROUTE)
            self.attempt.error.CopyFrom(error.to_wire())
            self.attempt.provider_out = self._call.failed(error)
            self._end(job_pb2.Attempt.RESULT_FAILED, error.reason_name)
            raise
        except BaseException:
            self.close()
            raise
        self._call.succeeded(self._meter.seen_tokens)
        self._end(job_pb2.Attempt.RESULT_SUCCEEDED)
        return finished

    def lose(self, *, spoke: bool) -> None:
        """Notes that another attempt has taken the lead, from this one if it `spoke`; it only remains to be stopped."""
        if not spoke:
            self._call.lose()
        self._end(job_pb2.Attempt.RESULT_REPLACED if spoke else job_pb2.Attempt.RESULT_LOST_RACE)

    def close(self) -> None:
        """Notes that the attempt was stopped, unless it had ended before."""
        self._end(job_pb2.Attempt.RESULT_STOPPED)

    async def begin_writing(self) -> None:
        """Writes to the log that the attempt begins, if it has not, replacing what other attempts wrote.

        Raises:
            Fenced: another writer has moved the job on.
        """
        self._may_write = True
        if self._has_begun:
            return
        if self._job.said:
            await self._job.withdraw()
        elif self._job.standing is not None:
            self._job.start_over()
        self._job.resume_after(0)
        await self._job.begin(self.attempt)
        self._has_begun = True

    async def _hold(self) -> None:
        if self._reservation is None:
            self._reservation = await self._reserve()

    async def _position(self) -> int:
        """Returns the event after whose text the attempt continues.

        0 once text that cannot be continued is withdrawn.
        """
        job = self._job
        if not job.said and not job.is_torn:
            return 0
        # Readers have seen the reasoning; a provider that continues from the text alone would reason again.
        whole = (
            not job.is_torn and not job.said.reasoning and can_continue(job.request, job.said, self._order.max_tokens)
        )
        if whole and not self._order.may_be_replaced and await self._provider.continues_prefix():
            self.goes_on = True
            return job.text_sequence
        await job.withdraw()
        return 0

    async def _stream(self, take_lead: TakeLead) -> inference_pb2.Finished:
        async with TokenWriter(self._job.writer, self._job.flush_interval_s) as tokens:
            try:
                finished = await self._pass_on(take_lead, tokens)
                if not self._may_write:
                    # An attempt that failed without text does not stop another from continuing.
                    judged(finished, self._job.said if self.goes_on else AnswerSoFar(), self._job.request)
                    await take_lead(self)
            finally:
                # However the stream ended, what readers keep must be in the log before its end is.
                if self._has_begun and self._may_write:
                    await tokens.finish()
                    if self._spoke:
                        self._job.note_committed_text()
        finished = judged(finished, self._job.said, self._job.request)
        if self._order.checks_form and must_have_form(self._job.said, finished):
            await self._check_form(finished)
        return finished

    async def _check_form(self, finished: inference_pb2.Finished) -> None:
        """Raises ProviderError if the answer violates the requested format."""
        job = self._job
        if fault := await find_fault(job.request.response_format, job.said.text):
            raise failure(fault, finished, is_last=self._is_last_answer())

    def _is_last_answer(self) -> bool:
        """Returns whether no further attempt follows if this answer violates the format."""
        attempts = self._job.attempts
        invalid = sum(attempt.error.reason == error_pb2.ERROR_REASON_ANSWER_INVALID for attempt in attempts) + 1
        return invalid >= self._order.alias.invalid_answers

    async def _pass_on(self, take_lead: TakeLead, tokens: TokenWriter) -> inference_pb2.Finished:
        job, limits, of_alias = self._job, self._order.timeouts, self._order.alias.timeouts
        stops = StopTexts(job.request.sampling.stop)
        request = job.asked(self._model, self._order.max_tokens, goes_on=self.goes_on)
        self._note_changes(request)
        async with (
            patience(limits, of_alias, self._order.alias.throughput) as tokens_came,
            self._provider.stream(request, max(limits.total_s, of_alias.total_s)) as steps,
        ):
            async for step in steps:
                match step:
                    case event_pb2.Delta():
                        if not self._may_write:
                            if not _is_useful(step):
                                continue
                            self._first_token()
                            await take_lead(self)
                        self._meter.seen_tokens += step.token_count
                        if finished := self._take(stops.passing(step), tokens, stops):
                            return finished
                        tokens_came(step.token_count)
                        await tokens.room()
                    case inference_pb2.Finished():
                        self._meter.end(step)
                        return (self._may_write and self._take(stops.rest(), tokens, stops)) or step
                    case chat_pb2.Usage():
                        self._meter.report(step)
                    case inference_pb2.Admitted():
                        self.attempt.provider_model = step.model[:_MODEL_CHARACTERS]
        raise broken("ended its stream without the end marker")

    def _take(self, delta: event_pb2.Delta, tokens: TokenWriter, stops: StopTexts) -> inference_pb2.Finished | None:
        """Takes in the next part of the answer; returns the end if no more is accepted."""
        fitting = self._order.limit.fitting(self._job.said, delta)
        tokens.add(fitting)
        self._job.said.add(fitting)
        if fitting is not delta:
            return self._cut_off()
        return inference_pb2.Finished(finish_reason=chat_pb2.FINISH_REASON_STOP) if stops.is_met else None

    def _note_changes(self, request: inference_pb2.GenerateRequest) -> None:
        for change in self._provider.changes(request):
            self.attempt.chosen_because += f"; asked {change}"

    def _cut_off(self) -> inference_pb2.Finished:
        """Returns the end of an answer that is cut off; raises ProviderError if it has none."""
        finished = self._order.limit.end()
        structlog.get_logger().warning(
            "provider ignores max_tokens",
            provider=self.attempt.provider,
            model=self._model,
            max_tokens=self._order.max_tokens,
        )
        return finished

    def _end(self, result: job_pb2.Attempt.Result.ValueType, label: str = "") -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._call.left()
        # An attempt that lost a race had, as far as anyone knows, read its prompt.
        was_read = self._spoke or result == job_pb2.Attempt.RESULT_LOST_RACE
        taken = self._meter.taken(was_read=was_read) if self._began else chat_pb2.Usage()
        cost = self._reservation.settle(taken) if self._reservation else None
        if not self._began:
            return
        self.attempt.result = result
        self.attempt.duration.CopyFrom(self._elapsed())
        self.attempt.usage.CopyFrom(taken)
        if cost:
            self.attempt.cost.CopyFrom(cost)
        self._job.add_usage(taken)
        metrics.attempts(self.attempt.provider, label or _RESULT_LABELS[result]).inc()

    @property
    def _spoke(self) -> bool:
        return self.attempt.HasField("time_to_first_token")

    def _first_token(self) -> None:
        took = self._elapsed()
        self.attempt.time_to_first_token.CopyFrom(took)
        seconds = seconds_of(took)
        self._call.first_token(seconds)
        metrics.first_token_seconds(self.attempt.provider).observe(seconds)
        self._job.note_first_token()

    def _elapsed(self) -> duration_pb2.Duration:
        return elapsed(time.perf_counter() - self._began)


def _is_useful(delta: event_pb2.Delta) -> bool:
    return bool(delta.text or delta.tool_calls or delta.reasoning)
