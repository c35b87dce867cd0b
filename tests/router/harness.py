"""Where tests hand in jobs and read what became of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from google.protobuf import timestamp_pb2
from nats.aio.msg import Msg
from prometheus_client import REGISTRY
from tests.support.waiting import until

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import AlreadyAccepted, JobLog, Lease, Leases, new_job_id
from weft_kit.joblog.events.codec import from_message
from weft_kit.rpc.server import Server
from weft_router.config import Config
from weft_router.server import router

NOWHERE = "127.0.0.1:1"

OPENS_AT_ONCE = "[breaker]\nminimum_calls = 1\nopen_s = 60.0\nlongest_open_s = 60.0\n"
NEVER_OPENS = "[breaker]\nminimum_calls = 1000\nwindow_calls = 1000\n"


def user(text: str) -> chat_pb2.Message:
    return chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=text)])


def asking(text: str = "What is the capital of France?", **fields: Any) -> job_pb2.GenerationRequest:
    """A request to the alias `default`, unless the fields name another."""
    return job_pb2.GenerationRequest(**({"model": "default", "messages": [user(text)]} | fields))


def overloads() -> float:
    """How often the mock provider sent an attempt away, in this run: once that is counted, the job waits."""
    labels = {"provider": "mock", "result": "PROVIDER_OVERLOADED"}
    return REGISTRY.get_sample_value("weft_router_attempts_total", labels) or 0.0


class Harness:
    """One job log, and routers that work on it."""

    def __init__(self, log: JobLog, nats_url: str, folder: Path) -> None:
        self.log = log
        self._nats_url = nats_url
        self._catalog = folder / "weft.toml"

    def catalog(self, text: str) -> None:
        """Replaces the catalog that routers started from now on read."""
        self._catalog.write_text(text, encoding="utf-8")

    def with_settings(self, text: str) -> None:
        """Adds tables to the catalog."""
        self.catalog(f"{self.read_catalog()}\n{text}")

    def read_catalog(self) -> str:
        return self._catalog.read_text(encoding="utf-8")

    def routing(self, **settings: Any) -> AbstractAsyncContextManager[Server]:
        """A router at work."""
        given: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "nats_url": self._nats_url,
            "cache_target": NOWHERE,
            "retrieval_target": NOWHERE,
            "catalog_file": self._catalog,
            "catalog_poll_s": 0.05,
            "log": self.log.config,
            "first_wait_s": 0.01,
            "grace_s": 0.0,
        }
        return router(Config(**(given | settings)))

    async def submit(
        self,
        request: job_pb2.GenerationRequest | None = None,
        *,
        lives_s: float = 30,
        tenant: str = "acme",
        max_in_flight: int = 10_000,
        **fields: Any,
    ) -> str:
        """Hands a job in; `fields` are more of its envelope."""
        request = request or asking()
        expire_time = timestamp_pb2.Timestamp()
        expire_time.GetCurrentTime()
        expire_time.FromNanoseconds(expire_time.ToNanoseconds() + round(lives_s * 1e9))
        job_id = new_job_id(tenant, request.priority)
        envelope = event_pb2.Accepted(tenant=tenant, request=request, expire_time=expire_time, **fields)
        # As for the gateway: a write whose ack was lost may meet itself, once a worker has gone on from it.
        with suppress(AlreadyAccepted):
            await self.log.accept(job_id, envelope, max_in_flight)
        return job_id

    @asynccontextmanager
    async def watching(self, *kinds: str) -> AsyncIterator[list[event_pb2.JobEvent]]:
        """Gathers events of these kinds, of all jobs, in the order of the log."""
        seen: list[event_pb2.JobEvent] = []

        async def see(message: Msg) -> None:
            seen.append(from_message(message).event)

        for kind in kinds:
            await self.log.client.subscribe(f"{self.log.config.live_prefix}.*.*.{kind}", cb=see)
        yield seen

    async def events(self, job_id: str) -> list[event_pb2.JobEvent]:
        """All events of a job, once it is done."""
        async with asyncio.timeout(20), self.log.follow(job_id) as events:
            return [event async for event in events]

    async def run(self, request: job_pb2.GenerationRequest | None = None, **settings: Any) -> list[event_pb2.JobEvent]:
        """All events of one job, which a router of its own runs."""
        async with self.routing(**settings):
            return await self.events(await self.submit(request))

    async def done(self, job_id: str) -> event_pb2.Done:
        return (await self.events(job_id))[-1].done

    async def first(self, job_id: str, kind: str) -> event_pb2.JobEvent:
        """The first event of a kind, as soon as it is there."""
        async with asyncio.timeout(20), self.log.follow(job_id) as events:
            async for event in events:
                if event.HasField(kind):  # type: ignore[arg-type]
                    return event
        message = f"{job_id} is done and was never {kind}"
        raise AssertionError(message)

    @asynccontextmanager
    async def lost_worker(self, *, gives_back: bool = True) -> AsyncIterator[Callable[[], Any]]:
        """Another worker process, which takes leases; it gives them back when the block ends, or just falls silent."""
        held: list[Lease] = []
        async with Leases(self.log, slots=8).leases() as leases:

            async def take() -> Lease:
                held.append(await anext(leases))
                return held[-1]

            yield take
        # Once it asks for no more: it could be given them again, and take them with it.
        for lease in held if gives_back else ():
            await lease.retry()

    async def begun_and_lost(self, job_id: str, text: str, attempt: int = 1, *, gives_back: bool = True) -> int:
        """Lets another worker take the job, begin an attempt, say something and vanish; returns where the text ends."""
        async with self.lost_worker(gives_back=gives_back) as take:
            lease = await asyncio.wait_for(take(), 20)
            events = await self.log.events(job_id)
            writer = self.log.writer(lease.job_id, events[-1].sequence)
            await writer.append(event_pb2.Started(attempt=attempt, provider="lost"))
            return await writer.append(event_pb2.Delta(text=text, token_count=len(text.split())))

    async def hand_out_again(self, job_id: str) -> None:
        """Makes the log believe that a running job's worker is lost: its first delivery is given back (ADR-15)."""
        accepted = (await self.log.events(job_id))[0]
        delivery = f"1.{accepted.sequence}.1.{accepted.time.ToNanoseconds()}.0"
        consumer = f"{self.log.config.stream}.lane-{job_id.partition('-')[0]}"
        await self.log.client.publish(f"$JS.ACK.{consumer}.{delivery}", b"-NAK")

    async def until(self, happened: Callable[[], bool]) -> None:
        """Waits for what no event tells."""
        await until("what no event tells", happened, within_s=20)

    async def until_acknowledged(self) -> None:
        """Waits until no job is to be run, or under a lease."""

        async def is_idle() -> bool:
            return not await self.unacknowledged()

        await until("no job is left", is_idle, within_s=20)

    async def unacknowledged(self) -> int:
        """How many jobs are still to be run, or under a lease."""
        depth = await self.log.depth("acme")
        return depth.queued + depth.in_flight
