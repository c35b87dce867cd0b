"""One attempt: said to begin in the log, then a provider's stream turned into committed tokens."""

import time

from google.protobuf import duration_pb2

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit import clock
from weft_kit.joblog import TokenWriter
from weft_router import metrics, usage
from weft_router.job import Job, Order
from weft_router.patience import patience
from weft_router.policy import Choice, can_continue
from weft_router.providers.port import Provider, ProviderError, broken
from weft_router.registry import Registered


class Generation:
    """Asks one provider for one job's answer."""

    def __init__(self, job: Job, order: Order, asked: Registered, choice: Choice, flush_interval_s: float) -> None:
        self._job = job
        self._order = order
        self._asked = asked
        self._flush_interval_s = flush_interval_s
        self._began = 0.0
        self._token_count = 0
        self._reported: chat_pb2.Usage | None = None
        self._attempt = job_pb2.Attempt(
            number=len(job.attempts) + 1,
            provider=choice.route.provider,
            provider_model=choice.route.model,
            chosen_because=choice.because,
        )

    async def run(self) -> inference_pb2.Finished:
        """Return the end of a whole answer, with every token committed and the attempt on record.

        Raises:
            ProviderError: the provider failed; what it said before is committed.
            Fenced: somebody else moved the job on.
        """
        job, attempt = self._job, self._attempt
        job.resumes_after = await self._position(self._asked.provider)
        await begin(job, attempt)
        self._began = time.perf_counter()
        result = "interrupted"
        try:
            finished = await self._stream(_request(job, self._order, attempt.provider_model))
            result = "ok"
        except ProviderError as error:
            attempt.error.CopyFrom(error.to_wire())
            result = error.reason_name
            raise
        finally:
            attempt.duration.CopyFrom(self._elapsed())
            job.spent = usage.summed((job.spent, self._usage()))
            metrics.ATTEMPTS.labels(attempt.provider, result).inc()
        return finished

    async def _position(self, provider: Provider) -> int:
        """Return the event whose text the attempt goes on from; 0 once text that nobody can go on from is withdrawn."""
        job = self._job
        if not job.said and not job.is_torn:
            return 0
        whole = not job.is_torn and can_continue(job.request, job.said, self._order.max_tokens)
        if whole and await provider.continues_prefix():
            return job.text_sequence
        await job.writer.append(event_pb2.Rewound(to_sequence=job.accepted_sequence))
        job.start_over()
        return 0

    async def _stream(self, request: inference_pb2.GenerateRequest) -> inference_pb2.Finished:
        async with TokenWriter(self._job.writer, self._flush_interval_s) as tokens:
            try:
                finished = await self._pass_on(request, tokens)
            finally:
                # However the stream ended: what readers are to keep has to be in the log before its end is.
                await tokens.finish()
                if self._spoke:
                    self._job.text_sequence = self._job.writer.last_sequence
        if name := self._job.said.cut_off_call():
            raise broken(f"cut off the arguments of its call to {name}")
        return finished

    async def _pass_on(self, request: inference_pb2.GenerateRequest, tokens: TokenWriter) -> inference_pb2.Finished:
        limits, said = self._order.alias.timeouts, self._job.said
        async with patience(limits) as token_came, self._asked.provider.stream(request, limits.total_s) as steps:
            async for step in steps:
                match step:
                    case event_pb2.Delta():
                        if not self._spoke:
                            self._first_token()
                        tokens.add(step)
                        said.add(step)
                        self._token_count += step.token_count
                        token_came()
                        await tokens.room()
                    case inference_pb2.Finished():
                        self._reported = step.usage if step.HasField("usage") else self._reported
                        return step
                    case chat_pb2.Usage():
                        self._reported = step
                    case inference_pb2.Admitted():
                        self._attempt.provider_model = step.model
        raise broken("ended its stream without the end marker")

    def _usage(self) -> chat_pb2.Usage:
        """What the provider reported, or what can be seen: a call that said nothing has cost nothing we know of."""
        if self._reported is not None:
            return self._reported
        return usage.estimated(self._job.messages, self._token_count) if self._spoke else chat_pb2.Usage()

    @property
    def _spoke(self) -> bool:
        return self._attempt.HasField("time_to_first_token")

    def _first_token(self) -> None:
        elapsed = self._elapsed()
        self._attempt.time_to_first_token.CopyFrom(elapsed)
        seconds = elapsed.ToNanoseconds() / 1e9
        self._asked.health.first_token(seconds)
        metrics.FIRST_TOKEN_SECONDS.labels(self._attempt.provider).observe(seconds)
        if self._job.first_token_time is None:
            self._job.first_token_time = clock.now()

    def _elapsed(self) -> duration_pb2.Duration:
        elapsed = duration_pb2.Duration()
        elapsed.FromMicroseconds(round((time.perf_counter() - self._began) * 1e6))
        return elapsed


async def begin(job: Job, attempt: job_pb2.Attempt) -> None:
    """Say in the log that an attempt begins, and how the one before ended where this worker saw that.

    Raises:
        Fenced: somebody else moved the job on.
    """
    started = event_pb2.Started(
        attempt=attempt.number,
        provider=attempt.provider,
        provider_model=attempt.provider_model,
        resumes_after=job.resumes_after,
        sources=job.sources,
        previous=job.ended_here,
    )
    await job.writer.append(started)
    job.attempts.append(attempt)
    attempt.start_time.CopyFrom(clock.now())


def _request(job: Job, order: Order, model: str) -> inference_pb2.GenerateRequest:
    sampling = chat_pb2.SamplingParams()
    sampling.CopyFrom(job.request.sampling)
    sampling.max_tokens = order.max_tokens - job.said.token_count
    asked = job.request
    return inference_pb2.GenerateRequest(
        model=model,
        messages=job.messages,
        sampling=sampling,
        tools=asked.tools,
        tool_choice=asked.tool_choice,
        response_format=asked.response_format if asked.HasField("response_format") else None,
        prefix=job.said.text,
    )
