"""FlightService's RPCs."""

from collections.abc import AsyncIterator

from weft.job.v1 import event_pb2
from weft.router.v1 import flight_pb2 as pb
from weft.router.v1 import flight_pb2_grpc as rpc
from weft_kit.joblog import Step
from weft_kit.joblog.writer import event_of
from weft_kit.rpc.context import current_tenant
from weft_router.single_flight.flight import relaying
from weft_router.single_flight.flights import Flights


class FlightServicer(rpc.FlightServiceServicer):
    """Lets jobs of other routers listen."""

    def __init__(self, flights: Flights) -> None:
        self._flights = flights

    async def FollowFlight(self, request: pb.FollowFlightRequest, _: object) -> AsyncIterator[pb.FollowFlightResponse]:
        flight = self._flights.find(current_tenant(), request.flight)
        async with relaying(flight, request.expire_time) as steps:
            async for step in steps:
                yield pb.FollowFlightResponse(event=_event(flight.leader_id, step))


def _event(job_id: str, step: Step | None) -> event_pb2.JobEvent:
    return event_of(job_id, step) if step is not None else event_pb2.JobEvent(job_id=job_id)
