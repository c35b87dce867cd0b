"""Copies a shared call into one job: its text into the job's own log, its outcome into the job's record."""

from collections.abc import Iterable

from google.protobuf import duration_pb2

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import Step, TokenWriter
from weft_kit.rpc.time import duration, now, seconds_between
from weft_router.job.job import Job
from weft_router.single_flight.flight import FlightLost, Subscription
from weft_router.single_flight.joining import unheard
from weft_router.single_flight.replay_buffer import merge


class FlightFollower:
    """Copies a call into a job. What the job's readers have already is not said again where the call says the same."""

    def __init__(self, job: Job, subscription: Subscription) -> None:
        self._job = job
        self._subscription = subscription
        self._ours: dict[int, job_pb2.Attempt] = {}
        """The job's attempts, by the numbers that those listened to have in the call."""
        self._known = job.said.text
        self._heard = event_pb2.Delta()
        """The call's text from its beginning, until it is past what is known."""

    async def to_end(self) -> event_pb2.Done:
        """Returns the call's record, with every token of it in the job's log and its attempts on the job's record.

        Raises:
            FlightLost: the call has no result. Its text so far is kept.
            Fenced: another writer has moved the job on.
        """
        try:
            return await self._copied()
        except FlightLost as lost:
            if (attempt := self._job.answering) and not attempt.HasField("error"):
                attempt.error.CopyFrom(lost.error)
            raise
        finally:
            self._book(await self._subscription.leave())

    @property
    def _leads(self) -> bool:
        return self._subscription.leader_id == self._job.job_id

    async def _copied(self) -> event_pb2.Done:
        step = await self._subscription.next()
        while True:
            match step:
                case event_pb2.Started():
                    await self._begin(step)
                    step = await self._subscription.next()
                case event_pb2.Delta():
                    news = await self._reconciled(step) if self._known else step
                    step = await (self._pass_on(news) if news.ByteSize() else self._subscription.next())
                case event_pb2.Done():
                    if self._known and step.state == job_pb2.JOB_STATE_SUCCEEDED:
                        await self._say_anew()
                    return step
                case _:
                    await self._job.withdraw()
                    self._known = ""
                    step = await self._subscription.next()

    async def _begin(self, started: event_pb2.Started) -> None:
        if started.HasField("previous") and (ours := self._ours.get(started.previous.number)):
            self._settle(ours, started.previous)
        job = self._job
        attempt = job_pb2.Attempt(provider=started.provider, provider_model=started.provider_model)
        if not self._leads:
            attempt.joined_job_id = self._subscription.leader_id
            attempt.chosen_because = f"joined {self._subscription.leader_id}"
        job.share_sources(started)
        job.resume_after(job.text_sequence)
        self._ours[started.attempt] = attempt
        await job.begin(attempt)

    async def _pass_on(self, delta: event_pb2.Delta) -> Step:
        """Writes tokens until there is another step, and returns that one."""
        job = self._job
        job.note_first_token()
        if (attempt := job.answering) and not attempt.HasField("time_to_first_token"):
            attempt.time_to_first_token.CopyFrom(_since_its_start(attempt))
        async with TokenWriter(job.writer, job.flush_interval_s) as tokens:
            try:
                step: Step = delta
                while isinstance(step, event_pb2.Delta):
                    tokens.add(step)
                    job.said.add(step)
                    await tokens.room()
                    step = await self._subscription.next()
                return step
            finally:
                await tokens.finish()
                job.note_committed_text()

    async def _reconciled(self, delta: event_pb2.Delta) -> event_pb2.Delta:
        """Returns the part of the text that readers lack; if they have a different text, it is withdrawn."""
        merge(self._heard, delta)
        news = unheard(self._known, self._heard)
        if news is None:
            await self._job.withdraw()
        if news is None or len(self._heard.text) >= len(self._known):
            self._known = ""
        return self._heard if news is None else news

    async def _say_anew(self) -> None:
        """Replaces the readers' text, if the answer ends before reaching its length."""
        await self._job.withdraw()
        await self._job.say(self._heard)

    def _book(self, attempts: Iterable[job_pb2.Attempt]) -> None:
        """Records how the attempts ended, and those that are charged to this job."""
        job, is_billed = self._job, False
        for theirs in attempts:
            ours = self._ours.get(theirs.number)
            if theirs.HasField("usage"):
                is_billed = True
                job.add_usage(theirs.usage)
                ours = ours or self._enlisted(theirs.number)
            if ours is not None:
                self._settle(ours, theirs)
        for ours in self._ours.values():
            if not ours.result and not ours.HasField("error"):
                ours.result = job_pb2.Attempt.RESULT_STOPPED
            if not ours.HasField("duration"):
                ours.duration.CopyFrom(_since_its_start(ours))
        if not self._leads:
            job.note_follower(is_billed=is_billed)

    def _enlisted(self, number: int) -> job_pb2.Attempt:
        """Records an attempt that the job did not see: it lost a race, or was over before."""
        ours = self._ours[number] = job_pb2.Attempt(chosen_because=f"joined {self._subscription.leader_id}")
        self._job.enlist(ours)
        return ours

    def _settle(self, ours: job_pb2.Attempt, theirs: job_pb2.Attempt) -> None:
        if self._leads:
            number = ours.number
            ours.CopyFrom(theirs)
            ours.number = number
            return
        ours.provider_model = theirs.provider_model
        ours.result = theirs.result
        ours.provider_out = theirs.provider_out
        for name in ("error", "usage", "cost"):
            if theirs.HasField(name):
                getattr(ours, name).CopyFrom(getattr(theirs, name))


def _since_its_start(attempt: job_pb2.Attempt) -> duration_pb2.Duration:
    return duration(max(0.0, seconds_between(attempt.start_time, now())))
