"""TenantService's RPCs. The authenticator has already checked the operator's token."""

from weft.gateway.v1 import tenant_pb2 as pb
from weft.gateway.v1 import tenant_pb2_grpc as rpc
from weft_gateway.tenants.deletion import TenantDeletion


class TenantServicer(rpc.TenantServiceServicer):
    def __init__(self, deletion: TenantDeletion) -> None:
        self._deletion = deletion

    async def DeleteTenant(self, request: pb.DeleteTenantRequest, _: object) -> pb.DeleteTenantResponse:
        deleted = await self._deletion.delete(request.tenant)
        return pb.DeleteTenantResponse(
            complete=deleted.is_complete,
            revoked_keys=deleted.keys,
            cancelled_jobs=deleted.cancelled_jobs,
            deleted_jobs=deleted.jobs,
            deleted_collections=deleted.collections,
            invalidated_answers=deleted.answers,
        )
