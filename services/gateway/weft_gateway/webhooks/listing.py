"""Which deliveries a list asks for."""

from dataclasses import dataclass, replace

from weft.gateway.v1 import webhook_pb2 as pb
from weft_gateway.pages import Position, check_texts, page_size, read_position


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """A page of one tenant's deliveries, newest first, that come after `before` in that order."""

    tenant: str
    job_id: str
    states: tuple[int, ...]
    before: Position | None
    size: int

    @property
    def filters(self) -> tuple[object, ...]:
        """What must be the same from page to page."""
        return "deliveries", self.tenant, self.job_id, self.states


def read_delivery_query(tenant: str, request: pb.ListDeliveriesRequest) -> DeliveryQuery:
    """Raises InvalidFields, or Invalid for a page token of another list."""
    check_texts(job_id=request.job_id)
    known = pb.DeliveryState.values()
    query = DeliveryQuery(
        tenant=tenant,
        job_id=request.job_id,
        states=tuple(sorted({state for state in request.states if state in known and state})),
        before=None,
        size=page_size(request.page_size),
    )
    return replace(query, before=read_position(request.page_token, query.filters))
