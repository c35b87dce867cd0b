"""The operator's calls, as recorded by the gateway."""

from weft.gateway.v1 import audit_pb2 as pb
from weft.gateway.v1 import audit_pb2_grpc as rpc
from weft_client.connection import Connection
from weft_client.pages import first


class Audit:
    """AuditService, which needs the operator's token."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = rpc.AuditServiceStub(connection.raw)

    async def newest(self, limit: int = 50, tenant: str = "") -> list[pb.AuditEvent]:
        """Returns the last calls, newest first, about one tenant or about all."""
        asked = pb.ListAuditEventsRequest(tenant=tenant)
        return await first(
            limit,
            lambda wanted: self._connection.ask(self._stub.ListAuditEvents, wanted),
            asked,
            lambda page: page.events,
        )
