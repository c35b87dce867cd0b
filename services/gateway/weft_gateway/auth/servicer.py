"""KeyService's RPCs. The authenticator has already checked the operator's token."""

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft_gateway.auth.key_admin import KeyAdmin
from weft_gateway.auth.keys import Key
from weft_gateway.pages import Pages
from weft_kit.logging import note
from weft_kit.rpc.time import duration, timestamp
from weft_kit.stores.page_tokens import page_size


class KeyServicer(rpc.KeyServiceServicer):
    def __init__(self, admin: KeyAdmin, pages: Pages, effective_within_s: float) -> None:
        self._admin = admin
        self._pages = pages
        self._effective_within_s = effective_within_s

    async def CreateKey(self, request: pb.CreateKeyRequest, _: object) -> pb.CreateKeyResponse:
        key, credential = await self._admin.create(
            request.tenant, request.name, request.calls_per_minute, request.budget
        )
        note(subject_key_id=key.key_id)
        return pb.CreateKeyResponse(key=_to_wire(key), secret=str(credential))

    async def ListKeys(self, request: pb.ListKeysRequest, _: object) -> pb.ListKeysResponse:
        size, scope = page_size(request.page_size), ("keys", request.tenant)
        before = await self._pages.read(request.page_token, *scope)
        keys, position = await self._admin.page(request.tenant, before, size)
        token = await self._pages.write(position, *scope)
        return pb.ListKeysResponse(keys=map(_to_wire, keys), next_page_token=token)

    async def RevokeKey(self, request: pb.RevokeKeyRequest, _: object) -> pb.RevokeKeyResponse:
        key = await self._admin.revoke(request.key_id)
        note(subject_tenant=key.tenant)
        return pb.RevokeKeyResponse(key=_to_wire(key), effective_within=duration(self._effective_within_s))


def _to_wire(key: Key) -> pb.Key:
    return pb.Key(
        key_id=key.key_id,
        tenant=key.tenant,
        name=key.name,
        create_time=timestamp(key.create_time),
        revoke_time=timestamp(key.revoke_time) if key.revoke_time else None,
        calls_per_minute=key.calls_per_minute,
        budget=key.budget,
    )
