"""Deletion of whole tenants, with the operator's token."""

import asyncio
from collections.abc import AsyncIterator

from weft.gateway.v1 import tenant_pb2 as pb
from weft.gateway.v1 import tenant_pb2_grpc as rpc
from weft_client.connection import Connection

# Deleting a large collection takes a while.
_CALL_S = 120.0
_PAUSE_S = 1.0


class Tenants:
    """TenantService, which needs the operator's token."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = rpc.TenantServiceStub(connection.raw)

    async def delete(self, tenant: str) -> AsyncIterator[pb.DeleteTenantResponse]:
        """Deletes a tenant with everything it has; yields the result of each call, the last one with `complete`.

        If you stop before that, a part is deleted, and you may continue at any time. It takes at least a few seconds,
        until jobs have stopped and no gateway accepts a revoked key any more.
        """
        while True:
            did = await self._connection.ask(self._stub.DeleteTenant, pb.DeleteTenantRequest(tenant=tenant), _CALL_S)
            yield did
            if did.complete:
                return
            await asyncio.sleep(_PAUSE_S)
