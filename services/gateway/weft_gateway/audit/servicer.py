"""AuditService's RPCs. The authenticator has already checked the operator's token."""

from weft.gateway.v1 import audit_pb2 as pb
from weft.gateway.v1 import audit_pb2_grpc as rpc
from weft_gateway.audit.events import AuditEvent
from weft_gateway.audit.postgres_audit import AuditStore
from weft_gateway.pages import Pages
from weft_kit.rpc.time import timestamp
from weft_kit.stores.page_tokens import page_size


class AuditServicer(rpc.AuditServiceServicer):
    def __init__(self, store: AuditStore, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, _: object) -> pb.ListAuditEventsResponse:
        size, scope = page_size(request.page_size), ("audit", request.tenant)
        before = await self._pages.read(request.page_token, *scope)
        found = await self._store.newest(request.tenant, before, size + 1)
        page, last = found[:size], found[size - 1] if len(found) > size else None
        token = await self._pages.write((last.time, last.event_id) if last else None, *scope)
        return pb.ListAuditEventsResponse(events=map(_to_wire, page), next_page_token=token)


def _to_wire(event: AuditEvent) -> pb.AuditEvent:
    return pb.AuditEvent(
        event_id=event.event_id,
        time=timestamp(event.time),
        method=event.method,
        call_id=event.call_id,
        operator=event.operator,
        address=event.address,
        tenant=event.tenant,
        key_id=event.key_id,
        code=event.code,
        reason=event.reason,
        unrecorded=event.unrecorded,
    )
