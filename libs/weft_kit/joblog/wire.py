"""The two ways to the stream: fenced writes that know whether they happened, and reads from leader or replica."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from nats.errors import ConnectionClosedError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from weft.job.v1 import event_pb2
from weft_kit.errors import DependencyDown
from weft_kit.joblog.codec import EXPECTED, EXPECTED_SUBJECT, WRITE_ID, Stored, from_api, from_message
from weft_kit.joblog.connection import FrugalClient
from weft_kit.joblog.settings import LogConfig

WRONG_LAST_SEQUENCE = 10071
NO_MESSAGE = 10037
ELECTING = (10008, 10009)  # JetStream has no leader at the moment, or not the one that was asked
ATTEMPT_TIMEOUT_S = 2.0
PAGE = 256

_process = os.urandom(6).hex()
_writes = count()


class WrongSequence(Exception):
    """Somebody else wrote to the job since the expected sequence."""


class Wire:
    """Requests to one stream. Raises DependencyDown when the log stays away longer than it may."""

    def __init__(self, client: FrugalClient, config: LogConfig) -> None:
        self.client = client
        self.config = config

    async def write(
        self,
        subject: str,
        event: event_pb2.JobEvent,
        expected: int,
        fence: str,
        *,
        ttl_s: float = 0,
        timeout_s: float | None = None,
    ) -> int:
        """Appends an event if `fence` (a subject filter) still ends at `expected`; returns its sequence.

        Waits out a log that is away for `timeout_s`, by default as long as a running job's writes may.

        An ack can be lost though the message was stored, so after a timeout the same write is sent again, and a
        refusal then may mean our own first copy: the last message's write id tells.
        """
        write_id = f"{_process}-{next(_writes)}"
        headers = {EXPECTED: str(expected), EXPECTED_SUBJECT: fence, WRITE_ID: write_id}
        if ttl_s:
            headers["Nats-TTL"] = f"{round(ttl_s)}s"
        limit_s = self.config.publish_timeout_s if timeout_s is None else timeout_s
        answer, uncertain = await self._insist(subject, event.SerializeToString(), headers, limit_s)
        error = answer.get("error")
        if error is None:
            return int(answer["seq"])
        if error.get("err_code") != WRONG_LAST_SEQUENCE:
            raise DependencyDown("nats", f"the log refused a write ({error.get('description')}); check its limits")
        if uncertain:
            last = await self.last(fence)
            if last and last.write_id == write_id:
                return last.sequence
        raise WrongSequence

    async def last(self, subjects: str) -> Stored | None:
        """Returns the last event that matches, from the leader: never stale."""
        return await self._get({"last_by_subj": subjects})

    async def first(self, subjects: str) -> Stored | None:
        """Returns the first event that matches, from the leader."""
        return await self._get({"seq": 1, "next_by_subj": subjects})

    async def replay(self, subjects: str, from_sequence: int) -> AsyncIterator[Stored]:
        """Yields what is stored from a sequence on, read directly from any replica, which may trail the leader."""
        more = True
        while more:
            page, more = await self._page(subjects, from_sequence)
            for event in page:
                from_sequence = event.sequence + 1
                yield event

    async def api(self, what: str, query: dict[str, Any], expected: tuple[int, ...] = ()) -> dict[str, Any]:
        """Asks the stream's management something; returns the answer, also an error whose code is `expected`."""
        answer, _ = await self._insist(f"$JS.API.{what}", json.dumps(query).encode(), {}, self.config.accept_timeout_s)
        error = answer.get("error")
        if error is not None and error.get("err_code") not in expected:
            raise DependencyDown("nats", f"the log refused {what.partition('.$')[0]} ({error.get('description')})")
        return answer

    async def _insist(
        self, subject: str, payload: bytes, headers: dict[str, str], limit_s: float
    ) -> tuple[dict[str, Any], bool]:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + limit_s
        uncertain = False
        while True:
            left = give_up - loop.time()
            if left <= 0:
                raise DependencyDown("nats", "the log does not answer; the write may or may not be stored; retry")
            try:
                reply = await self.client.request(
                    subject, payload, timeout=min(left, ATTEMPT_TIMEOUT_S), headers=headers
                )
                answer = json.loads(reply.data)
                if answer.get("error", {}).get("err_code") not in ELECTING:
                    return answer, uncertain
                await asyncio.sleep(min(left, 0.1))
            except NatsTimeout:
                uncertain = True
            except NoRespondersError:
                # No leader at the moment: elections take a second or two.
                await asyncio.sleep(min(left, 0.1))
            except ConnectionClosedError:
                raise DependencyDown("nats", "the connection to the log is closed; retry") from None

    async def _get(self, what: dict[str, Any]) -> Stored | None:
        answer = await self.api(f"STREAM.MSG.GET.{self.config.stream}", what, expected=(NO_MESSAGE,))
        return from_api(answer["message"]) if "message" in answer else None

    async def _page(self, subjects: str, from_sequence: int) -> tuple[list[Stored], bool]:
        inbox = self.client.new_inbox()
        replies = await self.client.subscribe(inbox)
        query = {"seq": max(1, from_sequence), "next_by_subj": subjects, "batch": PAGE}
        page: list[Stored] = []
        try:
            await self.client.publish(
                f"$JS.API.DIRECT.GET.{self.config.stream}", json.dumps(query).encode(), reply=inbox
            )
            while True:
                message = await replies.next_msg(timeout=ATTEMPT_TIMEOUT_S)
                status = (message.headers or {}).get("Status")
                if status is None:
                    page.append(from_message(message))
                elif status == "503":
                    raise DependencyDown("nats", "the stream does not answer direct reads; retry")
                else:  # 204: the end of the batch; 404: nothing matches
                    pending = int((message.headers or {}).get("Nats-Num-Pending", 0))
                    return page, pending > 0 and bool(page)
        except NatsTimeout:
            raise DependencyDown("nats", "the log does not answer; retry") from None
        finally:
            await replies.unsubscribe()
