"""What the gateway serves: its own services, and those of the mesh that it forwards."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

from weft.cache.v1 import cache_pb2
from weft.gateway.v1 import audit_pb2_grpc, gateway_pb2_grpc, tenant_pb2_grpc, webhook_pb2_grpc
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_gateway.audit.postgres_audit import AuditStore
from weft_gateway.audit.servicer import AuditServicer
from weft_gateway.auth.key_admin import KeyAdmin
from weft_gateway.auth.postgres_keys import KeyStore
from weft_gateway.auth.servicer import KeyServicer
from weft_gateway.config import Config
from weft_gateway.forwarding import forwarded
from weft_gateway.jobs.jobs import Jobs
from weft_gateway.pages import Pages
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.servicer import GatewayServicer
from weft_gateway.submission.budgets import BudgetChecks
from weft_gateway.tenants.deletion import TenantDeletion
from weft_gateway.tenants.servicer import TenantServicer
from weft_gateway.webhooks.delivery_admin import DeliveryAdmin
from weft_gateway.webhooks.postgres_deliveries import DeliveryStore
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_gateway.webhooks.secrets import SecretAdmin
from weft_gateway.webhooks.servicer import WebhookServicer
from weft_kit.joblog import JobLog
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.health import peer_need
from weft_kit.rpc.readiness import WHOLE, Need
from weft_kit.rpc.server import Service
from weft_kit.stores.postgres import Database

GATEWAY: Final = "weft.gateway.v1.GatewayService"
_KEYS: Final = "weft.gateway.v1.KeyService"
_AUDIT: Final = "weft.gateway.v1.AuditService"
_WEBHOOKS: Final = "weft.gateway.v1.WebhookService"
_TENANTS: Final = "weft.gateway.v1.TenantService"
_RETRIEVAL: Final[ServiceDescriptor] = retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"]
_ROUTER: Final[ServiceDescriptor] = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
_CACHE: Final[ServiceDescriptor] = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]


@dataclass(frozen=True, slots=True)
class ForwardedServices:
    """Channels to the services behind the gateway."""

    cache: Channel
    retrieval: Channel
    router: Channel

    @classmethod
    @asynccontextmanager
    async def connected(cls, config: Config) -> AsyncIterator["ForwardedServices"]:
        """Opens the channels while the context lasts."""
        async with AsyncExitStack() as stack:
            yield cls(
                await stack.enter_async_context(Channel(config.cache_target, "cache")),
                await stack.enter_async_context(Channel(config.retrieval_target, "retrieval")),
                await stack.enter_async_context(Channel(config.router_target, "router")),
            )

    def services(self, limit_s: float) -> tuple[Service, ...]:
        """Returns what is forwarded."""
        return (
            forwarded(_RETRIEVAL, self.retrieval, limit_s),
            forwarded(_ROUTER, self.router, limit_s),
            # Lookup and Store stay internal: only the mesh itself may write to the cache.
            forwarded(_CACHE, self.cache, limit_s, only=("Invalidate", "GetStats")),
        )

    def needs(self) -> tuple[Need, ...]:
        """Returns what a forwarded service needs: the service itself."""
        peers = ((_RETRIEVAL, self.retrieval), (_ROUTER, self.router), (_CACHE, self.cache))
        return tuple(peer_need(peer.full_name, channel) for peer, channel in peers)


@dataclass(frozen=True, slots=True)
class Stores:
    """What PostgreSQL holds for the services."""

    keys: KeyStore
    audit: AuditStore
    erasure: ErasureStore
    secrets: SecretStore
    deliveries: DeliveryStore
    pages: Pages

    @classmethod
    def of(cls, config: Config, database: Database) -> "Stores":
        """Reads wait for PostgreSQL as long as the configuration says."""
        limit_s = config.read_limit_s
        return cls(
            KeyStore(database, limit_s=limit_s),
            AuditStore(database, limit_s=limit_s),
            ErasureStore(database),
            SecretStore(database, limit_s=limit_s),
            DeliveryStore(database, limit_s=limit_s),
            Pages(database, limit_s=limit_s),
        )


def log_needs(log: JobLog) -> tuple[Need, ...]:
    """Whatever else is down, a gateway with a log accepts and serves jobs."""
    services = frozenset({WHOLE, GATEWAY})
    return Need("nats", log.check, services), Need("clock", log.check_clock, services)


def postgres_need(database: Database) -> Need:
    """Returns what all services need that keep no job in the log."""
    return Need("postgresql", database.check, frozenset({_AUDIT, _KEYS, _WEBHOOKS, _TENANTS}))


def gateway_service(jobs: Jobs, budgets: BudgetChecks, pages: Pages) -> Service:
    add = gateway_pb2_grpc.add_GatewayServiceServicer_to_server
    return Service(GATEWAY, add, GatewayServicer(jobs, budgets, pages))


def key_service(keys: KeyAdmin, pages: Pages, effective_within_s: float) -> Service:
    add = gateway_pb2_grpc.add_KeyServiceServicer_to_server
    return Service(_KEYS, add, KeyServicer(keys, pages, effective_within_s))


def audit_service(events: AuditStore, pages: Pages) -> Service:
    add = audit_pb2_grpc.add_AuditServiceServicer_to_server
    return Service(_AUDIT, add, AuditServicer(events, pages))


def tenant_service(deletion: TenantDeletion) -> Service:
    add = tenant_pb2_grpc.add_TenantServiceServicer_to_server
    return Service(_TENANTS, add, TenantServicer(deletion))


def webhook_service(store: DeliveryStore, secrets: SecretAdmin, pages: Pages) -> Service:
    add = webhook_pb2_grpc.add_WebhookServiceServicer_to_server
    return Service(_WEBHOOKS, add, WebhookServicer(DeliveryAdmin(store, secrets), secrets, pages))
