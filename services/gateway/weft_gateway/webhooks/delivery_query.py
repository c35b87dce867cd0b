"""Which deliveries a list asks for."""

from dataclasses import dataclass

from weft.gateway.v1 import webhook_pb2 as pb
from weft_gateway.pages import Position
from weft_kit.stores.page_tokens import page_size


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """A page of one tenant's deliveries, newest first, that come after `before` in that order."""

    tenant: str
    job_id: str
    states: tuple[int, ...]
    before: Position | None
    size: int

    @property
    def scope(self) -> tuple[str, ...]:
        """Returns what must be the same from page to page."""
        return "deliveries", self.tenant, self.job_id, repr(self.states)


def read_delivery_query(tenant: str, request: pb.ListDeliveriesRequest) -> DeliveryQuery:
    """Returns the query for the first page of a request. Raises InvalidFields."""
    known = pb.DeliveryState.values()
    return DeliveryQuery(
        tenant=tenant,
        job_id=request.job_id,
        states=tuple(sorted({state for state in request.states if state in known and state})),
        before=None,
        size=page_size(request.page_size),
    )
