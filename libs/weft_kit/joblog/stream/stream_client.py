"""Access to the stream: fenced writes that know whether they happened, and reads from leader or replica."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from typing import Any

from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, NoRespondersError, OutboundBufferLimitError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import ConsumerConfig

from weft.job.v1 import event_pb2
from weft_kit.joblog.connection.frugal_client import FrugalClient
from weft_kit.joblog.events.codec import EventPosition, StoredEvent, fenced_headers, from_api, from_message, sequence_of
from weft_kit.joblog.events.sizes import HEADERS_BYTES, EventTooLarge
from weft_kit.joblog.settings import LogConfig
from weft_kit.rpc.errors import DependencyDown
from weft_kit.tasks import cancellations, heed_cancellation

WRONG_LAST_SEQUENCE = 10071
NO_MESSAGE = 10037
ELECTING = (10008, 10009)  # JetStream has no leader at the moment, or not the one that was asked
ATTEMPT_TIMEOUT_S = 1.0  # an answer lost with its connection is noticed no sooner
REFUSED_WAIT_S = 0.05
RECONNECTED_WAIT_S = 0.05
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 0.4
INSUFFICIENT_RESOURCES = 10023
_TOO_MANY_CONSUMERS = 10026
PAGE = 256

NOT_STORING = (
    "nats-server stores nothing, as when its disk is or was full: free space on it, then restart nats-server,"
    " which does not store again by itself"
)
_NO_ROOM_FOR_CONSUMERS = (
    "nats-server allows the log no further consumer, and each tenant needs one for every priority:"
    " raise default_max_consumers in its jetstream limits"
)

_process = os.urandom(6).hex()
_writes = count()


def new_write_id() -> str:
    return f"{_process}-{next(_writes)}"


class WrongSequence(Exception):
    """Another writer wrote to the job after the expected sequence. `last` is the job's last event now, if there is
    one.
    """

    def __init__(self, last: StoredEvent | None) -> None:
        super().__init__()
        self.last = last


class StreamClient:
    """Requests to one stream. Raises DependencyDown when the log stays down for too long.

    `stores` turns False when a write was not answered, or refused for lack of storage, and True with the next one that
    is: a nats-server whose disk was full goes on answering all else. `log_number` counts the logs there have been, one
    more whenever a log was lost with its store: sequences begin anew then.
    """

    def __init__(self, client: FrugalClient, config: LogConfig) -> None:
        self.client = client
        self.config = config
        self.stores = True
        self.log_number = 1

    @property
    def largest_event_bytes(self) -> int:
        """The size of one message that nats-server accepts, without the headers."""
        return self.client.max_payload - HEADERS_BYTES

    async def write(
        self,
        subject: str,
        event: event_pb2.JobEvent,
        expected: int,
        fence: str,
        *,
        ttl_s: float = 0,
        timeout_s: float | None = None,
        write_id: str = "",
    ) -> int:
        """Appends an event if `fence` (a subject filter) still ends at `expected`; returns its sequence.

        A repeat under the same `write_id` returns what the first one did.

        Waits out a log that is away for `timeout_s`, by default as long as a running job's writes may.

        An ack can be lost though the message was stored, so after a timeout the same write is sent again, and a
        refusal then may mean our own first copy: the last message's write id tells. And a leader that has just been
        elected may refuse what it should not: as long as nobody wrote, the write is sent again.

        Raises EventTooLarge for what nats-server would answer by ending the connection.
        """
        limit_s = self.config.publish_timeout_s if timeout_s is None else timeout_s
        write_id = write_id or new_write_id()
        headers = fenced_headers(expected, fence, write_id, ttl_s)
        payload = self._encoded(event)
        give_up = asyncio.get_running_loop().time() + limit_s
        while True:
            answer = await self._insist(subject, payload, headers, limit_s, self._unstored)
            if (error := answer.get("error")) is None:
                self.stores = True
                return int(answer["seq"])
            self._check_fence_moved(error)
            last = await self.last(fence, limit_s)
            if last and last.write_id == write_id:
                return last.sequence
            if (last.sequence if last else 0) != expected or asyncio.get_running_loop().time() > give_up:
                raise WrongSequence(last)
            await asyncio.sleep(REFUSED_WAIT_S)

    async def last(self, subjects: str, timeout_s: float | None = None) -> StoredEvent | None:
        """Returns the last event that matches, from the leader: never stale."""
        return await self._get({"last_by_subj": subjects}, timeout_s)

    async def first(self, subjects: str, timeout_s: float | None = None) -> StoredEvent | None:
        """Returns the first event that matches, from the leader."""
        return await self._get({"seq": 1, "next_by_subj": subjects}, timeout_s)

    async def standing(self, subjects: str, timeout_s: float | None = None) -> EventPosition | None:
        """Returns the last matching message, readable or not, from the leader."""
        message = await self._get_message({"last_by_subj": subjects}, timeout_s)
        return EventPosition(message["subject"].rpartition(".")[2], int(message["seq"])) if message else None

    async def purge(self, subjects: str, before: int) -> None:
        """Removes matching messages stored before a sequence."""
        await self.api(f"STREAM.PURGE.{self.config.stream}", {"filter": subjects, "seq": before})

    async def replay(
        self, subjects: str, from_sequence: int, timeout_s: float | None = None
    ) -> AsyncIterator[StoredEvent]:
        """Yields what is stored from a sequence on, read directly from any replica, which may trail the leader.

        Each page waits out a log that is away for `timeout_s`, by default as long as a running job's writes may.
        """
        async for message in self.messages(subjects, from_sequence, timeout_s):
            yield from_message(message)

    async def messages(self, subjects: str, from_sequence: int, timeout_s: float | None = None) -> AsyncIterator[Msg]:
        """Yields the same as it is stored, also what is no event."""
        limit_s = self.config.publish_timeout_s if timeout_s is None else timeout_s
        more = True
        while more:
            page, more = await self._insist_on_page(subjects, from_sequence, limit_s)
            for message in page:
                from_sequence = sequence_of(message) + 1
                yield message

    async def api(
        self, what: str, query: dict[str, Any], expected: tuple[int, ...] = (), timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Asks JetStream something; returns the answer, also an error whose code is `expected`.

        Waits out a log that is away for `timeout_s`, by default as long as somebody who waits for the answer may.
        """
        limit_s = self.config.accept_timeout_s if timeout_s is None else timeout_s
        answer = await self._insist(f"$JS.API.{what}", json.dumps(query).encode(), {}, limit_s)
        error = answer.get("error")
        if error is not None and error.get("err_code") not in expected:
            raise DependencyDown("nats", f"the log refused {what.partition('.$')[0]} ({error.get('description')})")
        return answer

    async def ensure_consumer(self, wanted: ConsumerConfig) -> None:
        """Creates a durable consumer or brings it to this configuration; idempotent."""
        what = f"CONSUMER.CREATE.{self.config.stream}.{wanted.name}"
        question = {"stream_name": self.config.stream, "config": wanted.as_dict(), "action": ""}
        answer = await self.api(what, question, expected=(_TOO_MANY_CONSUMERS,))
        if "error" in answer:
            raise DependencyDown("nats", _NO_ROOM_FOR_CONSUMERS)

    async def probe(self) -> None:
        """Finds out whether the log stores, by a message that no reader sees and that expires a second later."""
        headers = {"Nats-TTL": "1s"}
        answer = await self._insist(f"{self.config.prefix}.probe", b"", headers, ATTEMPT_TIMEOUT_S, self._unstored)
        self.stores = answer.get("error", {}).get("err_code") != INSUFFICIENT_RESOURCES

    def _encoded(self, event: event_pb2.JobEvent) -> bytes:
        payload = event.SerializeToString()
        if len(payload) > self.largest_event_bytes:
            raise EventTooLarge(event.WhichOneof("event") or "", len(payload), self.largest_event_bytes)
        return payload

    def _check_fence_moved(self, error: Mapping[str, Any]) -> None:
        """Raises DependencyDown where a write was refused for another reason than that the fence moved on."""
        code = error.get("err_code")
        if code == INSUFFICIENT_RESOURCES:
            self._unstored()
            raise DependencyDown("nats", NOT_STORING)
        if code != WRONG_LAST_SEQUENCE:
            raise DependencyDown("nats", f"the log refused a write ({error.get('description')}); check its limits")

    def _unstored(self) -> None:
        self.stores = False

    async def _insist(
        self,
        subject: str,
        payload: bytes,
        headers: dict[str, str],
        limit_s: float,
        unanswered: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        loop, since = asyncio.get_running_loop(), cancellations()
        give_up, waits = loop.time() + limit_s, _waits()
        while (left := give_up - loop.time()) > 0:
            if not self.client.is_connected and not self.client.is_closed:
                # What is sent now would wait in the client, and reach the log beside its own repeats.
                await asyncio.sleep(min(left, RECONNECTED_WAIT_S))
                continue
            try:
                reply = await self.client.request(
                    subject, payload, timeout=min(left, ATTEMPT_TIMEOUT_S), headers=headers
                )
                heed_cancellation(since)
            except NatsTimeout:
                unanswered()
                continue
            except (NoRespondersError, OutboundBufferLimitError):
                await asyncio.sleep(min(left, next(waits)))  # no leader at the moment: elections take seconds
                continue
            except ConnectionClosedError:
                raise DependencyDown("nats", "the connection to the log is closed; retry") from None
            answer: dict[str, Any] = json.loads(reply.data)
            if answer.get("error", {}).get("err_code") not in ELECTING:
                return answer
            await asyncio.sleep(min(left, next(waits)))
        raise DependencyDown("nats", "the log does not answer; a write may or may not be stored; retry")

    async def _get(self, what: dict[str, Any], timeout_s: float | None) -> StoredEvent | None:
        message = await self._get_message(what, timeout_s)
        return from_api(message) if message else None

    async def _get_message(self, what: dict[str, Any], timeout_s: float | None) -> dict[str, Any] | None:
        limit_s = self.config.publish_timeout_s if timeout_s is None else timeout_s
        answer = await self.api(f"STREAM.MSG.GET.{self.config.stream}", what, (NO_MESSAGE,), limit_s)
        return answer.get("message")

    async def _insist_on_page(self, subjects: str, from_sequence: int, limit_s: float) -> tuple[list[Msg], bool]:
        loop = asyncio.get_running_loop()
        give_up, waits = loop.time() + limit_s, _waits()
        while True:
            try:
                return await self._page(subjects, from_sequence)
            except NatsTimeout:
                if loop.time() >= give_up:
                    raise DependencyDown("nats", "the log does not answer reads; retry") from None
            except (NoRespondersError, OutboundBufferLimitError):
                if loop.time() >= give_up:
                    raise DependencyDown("nats", "no replica of the log answers reads; retry") from None
                await asyncio.sleep(next(waits))

    async def _page(self, subjects: str, from_sequence: int) -> tuple[list[Msg], bool]:
        since = cancellations()
        query = json.dumps({"seq": max(1, from_sequence), "next_by_subj": subjects, "batch": PAGE}).encode()
        try:
            *page, end = await self.client.request_many(
                f"$JS.API.DIRECT.GET.{self.config.stream}", query, ATTEMPT_TIMEOUT_S
            )
        except ConnectionClosedError:
            raise DependencyDown("nats", "the connection to the log is closed; retry") from None
        heed_cancellation(since)
        # Its status is 204, the end of the batch, or 404: nothing matches.
        return page, int((end.headers or {}).get("Nats-Num-Pending", 0)) > 0 and bool(page)


def _waits() -> Iterator[float]:
    """Yields pauses between attempts, in seconds: longer each time, and random so that clients do not all come back at
    once.
    """
    wait_s = FIRST_WAIT_S
    while True:
        yield random.uniform(0.5, 1) * wait_s  # noqa: S311  # jitter
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
