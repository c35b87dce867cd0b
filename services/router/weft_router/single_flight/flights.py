"""Finds or starts the call that identical requests share, across all routers."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.rpc.errors import NotFound
from weft_router import metrics
from weft_router.job import terminal_events
from weft_router.job.job import Job
from weft_router.routing.retry_policy import RetryLimits
from weft_router.single_flight.flight import (
    Answer,
    Flight,
    FlightLost,
    Subscription,
)
from weft_router.single_flight.follower import FlightFollower
from weft_router.single_flight.joining import flight_of, is_shared
from weft_router.single_flight.remote import RemoteSubscription


class FlightDirectory(Protocol):
    """Knows which router hosts a flight. If it does not answer, each router hosts its own."""

    host: str
    """The address at which other routers reach this one."""

    def announcing(self, host: str) -> AbstractAsyncContextManager[None]:
        """Renews the claims while the context lasts."""
        ...

    async def claim(self, flight: str, lost: str = "") -> str:
        """Returns the host of a flight: this router, if there is none or only a `lost` one."""
        ...

    def release(self, flight: str) -> None:
        """Announces, soon, that a flight of this router is over."""
        ...


class Flights:
    """Finds each job the call that it shares, or starts one with `answer`.

    `limits` bounds how many failures a job may hear.
    """

    def __init__(self, directory: FlightDirectory, limits: RetryLimits, answer: Answer) -> None:
        self._directory = directory
        self._limits = limits
        self._answer = answer
        self._here: dict[str, Flight] = {}

    @asynccontextmanager
    async def hosting(self, host: str) -> AsyncIterator[None]:
        """Lets other routers' jobs join at `host` while the context lasts; leaving it stops what is still under way."""
        async with self._directory.announcing(host):
            try:
                yield
            finally:
                for flight in tuple(self._here.values()):
                    await flight.stop()

    def find(self, tenant: str, key: str) -> Flight:
        """Returns a flight of this router; raises NotFound, also for another tenant's."""
        flight = self._here.get(key)
        if flight is None or flight.tenant != tenant:
            message = "no such call is under way here; make your own"
            raise NotFound(error_pb2.ERROR_REASON_JOB_NOT_FOUND, message)
        return flight

    async def answer(self, job: Job) -> event_pb2.Done:
        """Returns the job's record, SUCCEEDED or FAILED, with every token of it committed.

        Raises:
            BudgetSpent: a budget is exhausted for the call that this job started.
            ProviderOutage: no provider takes the call now.
            Fenced: another writer has moved the job on.
        """
        key = flight_of(job.accepted.tenant, job.request, job.collection_version)
        lost = ""
        while True:
            if job.is_torn or not job.said.is_text:
                await job.withdraw()
            host = await self._host(key, lost)
            try:
                subscription = await self._subscription(host, key, job)
                done = await FlightFollower(job, subscription).to_end()
            except FlightLost:
                lost = host
                continue
            if done.state == job_pb2.JOB_STATE_SUCCEEDED:
                return terminal_events.shared(job, done)
            leads = subscription.leader_id == job.job_id
            if leads or is_shared(done.error, job.attempts, self._limits.of(job.request)):
                return terminal_events.ended(job, job_pb2.JOB_STATE_FAILED, done.error)

    async def _host(self, key: str, lost: str) -> str:
        here = self._directory.host
        return here if key in self._here else await self._directory.claim(key, lost if lost != here else "")

    async def _subscription(self, host: str, key: str, job: Job) -> Subscription:
        flight = self._here.get(key)
        if flight is None and host != self._directory.host:
            subscription = await RemoteSubscription.taken(host, key, job)
            metrics.FLIGHTS.labels("joins_elsewhere").inc()
            return subscription
        role = "joins" if flight else "leads"
        if flight is None:
            flight = self._here[key] = Flight(job, self._answer, partial(self._closed, key))
        metrics.FLIGHTS.labels(role).inc()
        return flight.join(job.job_id, job.accepted.expire_time)

    def _closed(self, key: str) -> None:
        del self._here[key]
        self._directory.release(key)
