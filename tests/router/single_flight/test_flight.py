"""A call that jobs join and leave at random: it lasts as long as one listens, and who listens hears all of it."""

import asyncio
from collections.abc import Sequence
from typing import Self

from google.protobuf import timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st
from tests.router.harness import asking

from weft.job.v1 import event_pb2, job_pb2
from weft_router.job.job import Job
from weft_router.single_flight.flight import Flight
from weft_router.single_flight.replay_buffer import ReplayBuffer

NEVER = timestamp_pb2.Timestamp()
MOVES = st.lists(
    st.one_of(st.just("join"), st.integers(0, 9), st.sampled_from(["One ", "two ", "three "])), max_size=30
)


class Speaker:
    """Makes a call that says the words it is given; an empty one ends it."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.said = ""
        self.was_stopped = False

    async def answer(self, job: Job) -> event_pb2.Done:
        attempt = job_pb2.Attempt(provider="mock")
        try:
            await job.begin(attempt)
            while word := await self.words.get():
                self.said += word
                await job.writer.append(event_pb2.Delta(text=word))
        except asyncio.CancelledError:
            self.was_stopped = True
            raise
        finally:
            attempt.result = job_pb2.Attempt.RESULT_SUCCEEDED
            attempt.usage.completion_tokens = 1
        return event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=job_pb2.Answer(text=self.said))


class Listener:
    """Boards a flight, and hears it until it leaves or the call is over."""

    def __init__(self, flight: Flight, job_id: str) -> None:
        self._subscription = flight.join(job_id, NEVER)
        self._listening = asyncio.create_task(self._listen())
        self.heard = ""

    async def _listen(self) -> event_pb2.Done:
        while not isinstance(step := await self._subscription.next(), event_pb2.Done):
            if isinstance(step, event_pb2.Delta):
                self.heard += step.text
        return step

    async def leaves(self) -> int:
        """Returns the attempts it has to book."""
        self._listening.cancel()
        return booked(await self._subscription.leave())

    async def hears_the_end(self) -> Self:
        await self._listening
        return self


def booked(attempts: Sequence[job_pb2.Attempt]) -> int:
    return sum(attempt.HasField("usage") for attempt in attempts)


async def settled() -> None:
    """Lets everybody who can go on do so."""
    for _ in range(8):
        await asyncio.sleep(0)


@given(MOVES)
async def test_a_call_lasts_while_somebody_listens_and_is_booked_once(moves: list[str | int]) -> None:
    speaker = Speaker()
    flight = Flight(
        Job("leader", event_pb2.Accepted(request=asking()), 1, ReplayBuffer()), speaker.answer, lambda: None
    )
    listeners, bookings = [Listener(flight, "leader")], 0
    for move in moves:
        if move == "join":
            listeners.append(Listener(flight, "follower"))
        elif isinstance(move, int) and move < len(listeners) > 1:
            bookings += await listeners.pop(move).leaves()
        elif isinstance(move, str):
            speaker.words.put_nowait(move)
        await settled()
    assert not speaker.was_stopped

    speaker.words.put_nowait("")
    for listener in listeners:
        assert (await listener.hears_the_end()).heard == speaker.said
    assert sum([await listener.leaves() for listener in listeners]) + bookings == 1


async def test_the_last_who_leaves_stops_the_call_and_books_it() -> None:
    speaker = Speaker()
    landings: list[None] = []
    job = Job("leader", event_pb2.Accepted(request=asking()), 1, ReplayBuffer())
    flight = Flight(job, speaker.answer, lambda: landings.append(None))
    first, last = Listener(flight, "leader"), Listener(flight, "follower")
    await settled()
    assert (await first.leaves(), speaker.was_stopped) == (0, False)
    assert (await last.leaves(), speaker.was_stopped) == (1, True)
    assert len(landings) == 1


async def test_a_call_that_is_left_before_it_began_is_over_too() -> None:
    speaker = Speaker()
    landings: list[None] = []
    job = Job("leader", event_pb2.Accepted(request=asking()), 1, ReplayBuffer())
    flight = Flight(job, speaker.answer, lambda: landings.append(None))
    assert await Listener(flight, "leader").leaves() == 0
    assert len(landings) == 1


async def test_nobody_is_asked_before_a_listener_has_it_on_record_that_the_attempt_begins() -> None:
    replay_buffer = ReplayBuffer()
    begun = asyncio.create_task(replay_buffer.append(event_pb2.Started(attempt=1)))
    await settled()
    assert not begun.done()
    replay_buffer.heard(1)
    assert await begun == 1
