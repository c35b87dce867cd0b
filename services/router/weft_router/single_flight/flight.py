"""A call that several jobs share: it lasts as long as one of them listens."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from google.protobuf import timestamp_pb2

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import Step
from weft_kit.rpc.errors import Draining
from weft_kit.tasks import ended
from weft_router.fleet.outage import ProviderOutage
from weft_router.job.job import Job
from weft_router.job.transcript import AnswerSoFar
from weft_router.single_flight.joining import unbooked
from weft_router.single_flight.replay_buffer import ReplayBuffer

PULSE_S = 1.0
"""How often listeners on other routers are told that a silent call is alive."""

Answer = Callable[[Job], Awaitable[event_pb2.Done]]
"""Brings a job to its record, SUCCEEDED or FAILED."""


class FlightLost(Exception):
    """The call ended without a result, or can no longer be followed; `error` is how its attempt ended."""

    def __init__(self, error: job_pb2.JobError) -> None:
        super().__init__(error.message)
        self.error = error


class Subscription(Protocol):
    """One job's subscription to a flight, on this router or another."""

    leader_id: str
    """The job that started the call."""

    async def next(self) -> Step:
        """Returns the next step once the previous one is in the listener's record; `done` is the last.

        Raises:
            FlightLost: there is no next one.
            ProviderOutage: there is none, because no provider takes the call now.
        """
        ...

    async def leave(self) -> Sequence[job_pb2.Attempt]:
        """Returns the attempts as far as they are known, including those that the listener is charged for."""
        ...


class Flight:
    """Runs a leader's job on a separate replay buffer, so that the leader may leave like any other listener.

    The buffer begins with the leader's text so far, which must be plain text. `closed` is called once, when no job can
    join any more.
    """

    def __init__(self, leader: Job, answer: Answer, closed: Callable[[], None]) -> None:
        self.leader_id = leader.job_id
        self.tenant = leader.accepted.tenant
        self.failure: Exception | None = None
        said = event_pb2.Delta(text=leader.said.text, token_count=leader.said.token_count)
        self.replay_buffer = ReplayBuffer(said) if leader.said else ReplayBuffer()
        self._job = _on_replay_buffer(leader, self.replay_buffer)
        self._before = len(leader.attempts)
        self._booked: set[int] = set()
        self._subscriptions: list[LocalSubscription] = []
        self._closed = closed
        self._task = asyncio.create_task(self._fly(answer))

    def join(self, job_id: str, expire_time: timestamp_pb2.Timestamp) -> "LocalSubscription":
        """Returns a subscription that replays everything so far. Every subscriber must leave."""
        accepted = self._job.accepted
        if accepted.HasField("expire_time") and expire_time.ToNanoseconds() > accepted.expire_time.ToNanoseconds():
            accepted.expire_time.CopyFrom(expire_time)
        subscription = LocalSubscription(self, leads=job_id == self.leader_id)
        self._subscriptions.append(subscription)
        return subscription

    async def leave(self, subscription: "LocalSubscription") -> Sequence[job_pb2.Attempt]:
        """Stops the call if nobody is left, and returns its attempts.

        Each attempt is charged once: to the job that has listened longest when it ends.
        """
        books = self._subscriptions[0] is subscription
        self._subscriptions.remove(subscription)
        if not self._subscriptions:
            await self.stop()
        return [self._for_record(attempt, books=books) for attempt in self._job.attempts[self._before :]]

    def failure_for(self, *, leads: bool) -> Exception:
        """Returns why a listener gets no result. An outage applies to all, any other failure only to the leader."""
        failure = self.failure
        return failure if failure and (leads or isinstance(failure, ProviderOutage)) else _ended()

    async def stop(self) -> None:
        """Stops the call, down to its provider."""
        self._land()
        await ended(self._task)

    async def _fly(self, answer: Answer) -> None:
        try:
            await self.replay_buffer.append(await answer(self._job))
        except Exception as failure:  # noqa: BLE001
            self.failure = failure  # those who hear of it know what to make of it
        finally:
            self._land()

    def _land(self) -> None:
        if not self.replay_buffer.is_over:
            self.replay_buffer.end()
            self._closed()

    def _for_record(self, attempt: job_pb2.Attempt, *, books: bool) -> job_pb2.Attempt:
        if not (books and attempt.result and attempt.number not in self._booked):
            return unbooked(attempt)
        self._booked.add(attempt.number)
        return attempt


class LocalSubscription:
    """A subscription to a flight of this router."""

    def __init__(self, flight: Flight, *, leads: bool) -> None:
        self.leader_id = flight.leader_id
        self._flight = flight
        self._leads = leads
        self._opening = deque(flight.replay_buffer.so_far())
        self._at = flight.replay_buffer.last_sequence

    async def next(self) -> Step:
        if self._opening:
            return self._opening.popleft()
        replay_buffer = self._flight.replay_buffer
        replay_buffer.heard(self._at)
        step = await replay_buffer.after(self._at)
        if step is None:
            raise self._flight.failure_for(leads=self._leads)
        self._at += 1
        return step

    async def leave(self) -> Sequence[job_pb2.Attempt]:
        return await self._flight.leave(self)


@asynccontextmanager
async def relaying(flight: Flight, expire_time: timestamp_pb2.Timestamp) -> AsyncIterator[AsyncIterator[Step | None]]:
    """Listens for a job elsewhere: yields its steps, and None at once and in each second of silence, until `done`.

    The attempts in `done` are those for that job's record.
    """
    subscription = flight.join("", expire_time)
    has_left = False

    async def steps() -> AsyncIterator[Step | None]:
        nonlocal has_left
        yield None
        while not has_left:
            try:
                async with asyncio.timeout(PULSE_S):
                    step: Step | None = await subscription.next()
            except TimeoutError:
                step = None
            except (FlightLost, ProviderOutage) as lost:
                raise Draining(str(lost)) from None
            if isinstance(step, event_pb2.Done):
                has_left = True
                step = _for(await subscription.leave(), step)
            yield step

    try:
        yield steps()
    finally:
        if not has_left:
            await subscription.leave()


def _on_replay_buffer(leader: Job, replay_buffer: ReplayBuffer) -> Job:
    accepted = event_pb2.Accepted()
    accepted.CopyFrom(leader.accepted)
    return replace(
        leader,
        accepted=accepted,
        accepted_sequence=0,
        writer=replay_buffer,
        flush_interval_s=0.0,  # listeners gather for themselves
        said=_only(leader.said),
        text_sequence=replay_buffer.last_sequence,
        attempts=list(leader.attempts),
        answering=None,
        spent=chat_pb2.Usage(),
        sources=list(leader.sources),
    )


def _only(said: AnswerSoFar) -> AnswerSoFar:
    copied = AnswerSoFar()
    copied.add(event_pb2.Delta(text=said.text, token_count=said.token_count))
    return copied


def _for(attempts: Sequence[job_pb2.Attempt], done: event_pb2.Done) -> event_pb2.Done:
    heard = event_pb2.Done()
    heard.CopyFrom(done)
    del heard.attempts[:]
    heard.attempts.extend(attempts)
    return heard


def _ended() -> FlightLost:
    message = "the job that made it was stopped; another one goes on"
    return FlightLost(job_pb2.JobError(reason=error_pb2.ERROR_REASON_DRAINING, message=message, retryable=True))
