"""Subscriptions to other routers' flights: each is a stream, so a listener whose process dies has left."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import grpc
import grpc.aio

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import flight_pb2 as pb
from weft.router.v1 import flight_pb2_grpc as rpc
from weft_kit.joblog import Step, kind_of
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.status import from_rpc
from weft_router.job.job import Job
from weft_router.single_flight.flight import PULSE_S, FlightLost

_ANSWER_S: Final = 1.0
"""How long a host may take to confirm that it has the flight, which it does at once."""
_SILENCE_S: Final = 4 * PULSE_S
"""How long a host may be silent before it counts as lost."""


class RemoteSubscription:
    """A place in a flight that another router hosts."""

    leader_id = ""

    def __init__(self, channel: Channel, flight: str, job: Job) -> None:
        stub: rpc.FlightServiceAsyncStub = rpc.FlightServiceStub(channel.raw)
        request = pb.FollowFlightRequest(flight=flight, expire_time=job.accepted.expire_time)
        self._channel = channel
        self._call = stub.FollowFlight(request, **channel.call(job.left_s(time.time())))
        self._responses: AsyncIterator[pb.FollowFlightResponse] = aiter(self._call)
        self._attempts: Sequence[job_pb2.Attempt] = ()

    @classmethod
    async def taken(cls, host: str, flight: str, job: Job) -> "RemoteSubscription":
        """Returns a place.

        Raises:
            FlightLost: the host is gone, or has no such flight any more.
        """
        subscription = cls(Channel(host, "the router that makes the call"), flight, job)
        try:
            subscription.leader_id = (await subscription._event(_ANSWER_S)).job_id
        except BaseException:
            await subscription.leave()
            raise
        return subscription

    async def next(self) -> Step:
        event = await self._event(_SILENCE_S)
        while not (kind := kind_of(event)):
            event = await self._event(_SILENCE_S)
        step: Step = getattr(event, kind)
        if isinstance(step, event_pb2.Done):
            self._attempts = step.attempts
        return step

    async def leave(self) -> Sequence[job_pb2.Attempt]:
        self._call.cancel()
        await self._channel.raw.close()
        return self._attempts

    async def _event(self, limit_s: float) -> event_pb2.JobEvent:
        try:
            async with asyncio.timeout(limit_s):
                return (await anext(self._responses)).event
        except (TimeoutError, StopAsyncIteration):
            raise _lost() from None
        except grpc.aio.AioRpcError as error:
            raise _lost(from_rpc(error, self._channel.dependency).reason) from None


def _lost(reason: error_pb2.ErrorReason.ValueType = error_pb2.ERROR_REASON_DEPENDENCY_DOWN) -> FlightLost:
    if reason == error_pb2.ERROR_REASON_DRAINING:
        message = "the router that made the call shut down; another one goes on"
        return FlightLost(job_pb2.JobError(reason=reason, message=message, retryable=True))
    message = "the router that made the call was lost before it recorded a result; see that router's log"
    reason = error_pb2.ERROR_REASON_DEPENDENCY_DOWN
    return FlightLost(job_pb2.JobError(reason=reason, message=message, retryable=True))
