"""Operations that need the operator's token: API keys and checks of providers."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from weft.common.v1 import budget_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_client.audit import Audit
from weft_client.connection import Connection
from weft_client.observer import Observer
from weft_client.pages import pages
from weft_client.tenants import Tenants

_CHECK_S = 10.0


class KeyClient:
    """The client of the operator: KeyService, `tenants`, `audit`, and the operator's part of RouterService."""

    def __init__(self, endpoint: str, operator_token: str, observer: Observer | None = None) -> None:
        self._connection = Connection(endpoint, operator_token, observer=observer)
        self._stub = rpc.KeyServiceStub(self._connection.raw)
        self._router = router_pb2_grpc.RouterServiceStub(self._connection.raw)
        self.tenants = Tenants(self._connection)
        self.audit = Audit(self._connection)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def reach(self, within_s: float) -> None:
        """Connects. Raises WeftError when no gateway answers in time."""
        await self._connection.reach(within_s)

    async def create(
        self, tenant: str, name: str, calls_per_minute: int = 0, budget: budget_pb2.Budget | None = None
    ) -> pb.CreateKeyResponse:
        """Creates a key; its secret is returned only here. `budget` applies in addition to the tenant's.

        Never retried: a second attempt could create a second key, with a secret that nobody knows.
        """
        asked = pb.CreateKeyRequest(tenant=tenant, name=name, calls_per_minute=calls_per_minute, budget=budget)
        return await self._connection.ask_once(self._stub.CreateKey, asked)

    async def list(self, tenant: str = "") -> AsyncIterator[pb.Key]:
        """Yields keys, newest first, of one tenant or of all."""
        asked = pb.ListKeysRequest(tenant=tenant, page_size=1000)
        async for page in pages(lambda wanted: self._connection.ask(self._stub.ListKeys, wanted), asked):
            for key in page.keys:
                yield key

    async def revoke(self, key_id: str) -> pb.RevokeKeyResponse:
        """Revokes a key."""
        asked = pb.RevokeKeyRequest(key_id=key_id)
        return await self._connection.ask(self._stub.RevokeKey, asked)

    async def check_providers(self, names: Sequence[str] = ()) -> Sequence[router_pb2.ProviderCheck]:
        """Has one router check whether providers answer and accept their keys; by default all of them.

        Costs at most one token per provider.
        """
        asked = router_pb2.CheckProvidersRequest(names=names)
        return (await self._connection.ask(self._router.CheckProviders, asked, _CHECK_S)).checks
