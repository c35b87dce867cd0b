"""The operator's calls, on record: what was done, what was refused, and by whom."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
import pytest
from tests.support.tcp_proxy import proxied
from tests.support.waiting import until

from weft.common.v1 import catalog_pb2, catalog_pb2_grpc
from weft.gateway.v1 import audit_pb2, audit_pb2_grpc, tenant_pb2, tenant_pb2_grpc
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_gateway.audit.events import AuditEvent
from weft_gateway.audit.postgres_audit import AuditStore
from weft_gateway.auth.authenticator import fingerprint
from weft_gateway.config import Config
from weft_gateway.postgres import record_database
from weft_gateway.server import gateway
from weft_kit.rpc.server import Server, Service

Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
OPERATOR_TOKEN = "operator-token"
OPERATOR = (("authorization", f"Bearer {OPERATOR_TOKEN}"),)
KEYS = "/weft.gateway.v1.KeyService"


@pytest.fixture
def keys(caller: Any) -> Any:
    return rpc.KeyServiceStub(caller.channel)


async def events(caller: Any, **fields: Any) -> list[audit_pb2.AuditEvent]:
    """Returns the events, newest first, but for that of the question itself."""
    stub = audit_pb2_grpc.AuditServiceStub(caller.channel)
    found = (await stub.ListAuditEvents(audit_pb2.ListAuditEventsRequest(**fields), metadata=OPERATOR)).events
    return [event for event in found if event.code or "Audit" not in event.method]


def line_of(capsys: pytest.CaptureFixture[str], method: str) -> dict[str, str]:
    """Returns the fields of the last line of a method."""
    lines = [line for line in capsys.readouterr().out.splitlines() if f"method={method} " in line]
    return dict(field.split("=", 1) for field in lines[-1].split() if "=" in field)


async def test_what_was_done_is_on_record_with_who_did_it_and_to_whom(
    caller: Any, keys: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = datetime.now(UTC)
    made = await keys.CreateKey(pb.CreateKeyRequest(tenant="acme", name="shop"), metadata=OPERATOR)
    line = line_of(capsys, "CreateKey")
    await keys.RevokeKey(pb.RevokeKeyRequest(key_id=made.key.key_id), metadata=OPERATOR)
    revoked, created = await events(caller, tenant="acme")
    assert [created.method, revoked.method] == [f"{KEYS}/CreateKey", f"{KEYS}/RevokeKey"]
    for event in (created, revoked):
        assert (event.tenant, event.key_id, event.code) == ("acme", made.key.key_id, "OK")
        assert (event.operator, event.address) == (fingerprint(OPERATOR_TOKEN), "127.0.0.1")
        assert before <= event.time.ToDatetime(UTC) <= datetime.now(UTC)
    assert line["call_id"] == created.call_id != revoked.call_id


async def test_lines_of_operators_calls_name_the_caller_the_tenant_and_the_key(
    keys: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await keys.CreateKey(pb.CreateKeyRequest(tenant="acme"), metadata=OPERATOR)
    who = {"operator": fingerprint(OPERATOR_TOKEN), "address": "127.0.0.1"}
    about = {"subject_tenant": "acme", "subject_key_id": made.key.key_id}
    assert line_of(capsys, "CreateKey").items() >= {**who, **about}.items()
    await keys.RevokeKey(pb.RevokeKeyRequest(key_id=made.key.key_id), metadata=OPERATOR)
    assert line_of(capsys, "RevokeKey").items() >= {**who, **about}.items()


async def test_lines_of_tenants_calls_name_their_key(caller: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await caller.list()
    line = line_of(capsys, "ListJobs")
    assert (line["tenant"], line["key_id"]) == (caller.key.tenant, caller.key.key_id)


async def test_what_was_refused_is_on_record(caller: Any, keys: Any, refused: Refused) -> None:
    error = await refused(keys.RevokeKey(pb.RevokeKeyRequest(key_id="none"), metadata=OPERATOR))
    await refused(keys.CreateKey(pb.CreateKeyRequest(tenant="Not Good" * 99), metadata=OPERATOR))
    await refused(keys.CreateKey(pb.CreateKeyRequest(tenant="acme", name="\0"), metadata=OPERATOR))
    await refused(keys.ListKeys(pb.ListKeysRequest(), metadata=caller.auth))
    stranger, early, wrong, unknown = (await events(caller))[:4]
    assert (unknown.code, unknown.reason, unknown.key_id) == ("NOT_FOUND", error.reason_name, "none")
    assert (wrong.code, wrong.reason, len(wrong.tenant)) == ("INVALID_ARGUMENT", "INVALID_FIELD", 128)
    assert (early.code, early.method) == ("INVALID_ARGUMENT", f"{KEYS}/CreateKey")
    assert (stranger.code, stranger.operator, stranger.address) == ("UNAUTHENTICATED", "", "127.0.0.1")


async def test_guesses_of_the_token_cannot_fill_the_record(caller: Any, keys: Any, refused: Refused) -> None:
    for number in range(50):
        guess = (("authorization", f"Bearer guess-{number}"),)
        await refused(keys.ListKeys(pb.ListKeysRequest(), metadata=guess))
    found = [event for event in await events(caller, page_size=1000) if event.code == "UNAUTHENTICATED"]
    # A minute may have passed meanwhile: what was only counted stands in the next that is written.
    assert 10 <= len(found) <= 20
    if len(found) > 10:
        assert sum(event.unrecorded for event in found) + len(found) >= 20


async def test_every_service_of_the_operator_is_on_record(caller: Any, server: Server, refused: Refused) -> None:
    catalog = catalog_pb2_grpc.CatalogServiceStub(caller.channel)
    await catalog.GetCatalogStatus(catalog_pb2.GetCatalogStatusRequest(), metadata=OPERATOR)
    tenants = tenant_pb2_grpc.TenantServiceStub(caller.channel)
    asked = tenant_pb2.DeleteTenantRequest(tenant=caller.key.tenant)
    error = await refused(tenants.DeleteTenant(asked, metadata=OPERATOR))
    router = router_pb2_grpc.RouterServiceStub(caller.channel)
    await refused(router.CheckProviders(router_pb2.CheckProvidersRequest(), metadata=OPERATOR))
    checked, deleted, shown = (await events(caller))[:3]
    assert (checked.method, checked.code) == ("/weft.router.v1.RouterService/CheckProviders", "UNAVAILABLE")
    assert (shown.method, shown.code) == ("/weft.common.v1.CatalogService/GetCatalogStatus", "OK")
    assert (deleted.tenant, deleted.code, deleted.reason) == (caller.key.tenant, error.status.name, "DEPENDENCY_DOWN")


async def test_no_secret_is_on_record(caller: Any, keys: Any, refused: Refused, postgres_url: str) -> None:
    await refused(keys.ListKeys(pb.ListKeysRequest(), metadata=(("authorization", "Bearer nearly-the-token"),)))
    with psycopg.connect(postgres_url) as session:
        stored = repr(session.execute("SELECT * FROM audit_events").fetchall())
    assert "CreateKey" in stored
    for secret in (caller.secret, caller.secret.rpartition("_")[2], OPERATOR_TOKEN, "nearly-the-token"):
        assert secret not in stored


async def test_nothing_is_done_that_cannot_be_recorded(
    config: Config, postgres_url: str, new_caller: Any, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    async with proxied(postgres_url) as (proxy, url):
        settings = {"postgres_url": url, "read_limit_s": 0.5}
        async with gateway(config.model_copy(update=settings)) as server:
            assert server is not None
            caller = await new_caller(server)
            await proxy.cut()
            keys = rpc.KeyServiceStub(caller.channel)
            error = await refused(keys.CreateKey(pb.CreateKeyRequest(tenant="acme"), metadata=OPERATOR))
            assert error.metadata == {"dependency": "postgresql"}
            # What the gateway itself knows is shown, so that it can be asked what is wrong.
            catalog = catalog_pb2_grpc.CatalogServiceStub(caller.channel)
            await catalog.GetCatalogStatus(catalog_pb2.GetCatalogStatusRequest(), metadata=OPERATOR)
            assert capsys.readouterr().out.count("not in the audit log") == 2


async def test_a_call_under_way_is_on_record_without_an_end(caller: Any) -> None:
    stub = audit_pb2_grpc.AuditServiceStub(caller.channel)
    itself = (await stub.ListAuditEvents(audit_pb2.ListAuditEventsRequest(page_size=1), metadata=OPERATOR)).events[0]
    assert (itself.method, itself.code) == ("/weft.gateway.v1.AuditService/ListAuditEvents", "")


async def deletion(caller: Any, *, is_over: bool) -> audit_pb2.AuditEvent:
    """Returns the event of a DeleteTenant, once it is there, or is there with its end."""

    async def look() -> audit_pb2.AuditEvent | None:
        for event in await events(caller, tenant="gone", page_size=1000):
            if event.method.endswith("/DeleteTenant") and (event.code or not is_over):
                return event
        return None

    return await until("the deletion is on record", look, within_s=20)


class Silent(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Retrieval that does not answer."""

    async def ListIngestJobs(self, _: object, __: object) -> retrieval_pb2.ListIngestJobsResponse:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("limit_s", [60, 0.5])
async def test_a_call_whose_caller_leaves_is_on_record_with_an_end(
    config: Config, new_caller: Any, limit_s: float
) -> None:
    service = Service("retrieval", retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, Silent())
    async with (
        Server("127.0.0.1:0", (service,), grace_s=0) as far,
        gateway(config.model_copy(update={"retrieval_target": far.address})) as server,
    ):
        assert server is not None
        caller = await new_caller(server)
        asked = tenant_pb2.DeleteTenantRequest(tenant="gone")
        tenants = tenant_pb2_grpc.TenantServiceStub(caller.channel)
        call = tenants.DeleteTenant(asked, metadata=OPERATOR, timeout=limit_s)
        await deletion(caller, is_over=False)
        if limit_s > 1:
            call.cancel()
        event = await deletion(caller, is_over=True)
    assert limit_s < 1 or event.code == "CANCELLED"


async def test_events_come_in_pages_and_only_to_the_operator(caller: Any, keys: Any, refused: Refused) -> None:
    for _ in range(5):
        await keys.ListKeys(pb.ListKeysRequest(tenant="acme"), metadata=OPERATOR)
    stub = audit_pb2_grpc.AuditServiceStub(caller.channel)
    asked, ids = audit_pb2.ListAuditEventsRequest(tenant="acme", page_size=2), []
    while not ids or asked.page_token:
        page = await stub.ListAuditEvents(asked, metadata=OPERATOR)
        ids.append([event.event_id for event in page.events if event.method == f"{KEYS}/ListKeys"])
        asked.page_token = page.next_page_token
    assert len({event_id for page in ids for event_id in page}) == 5
    error = await refused(stub.ListAuditEvents(audit_pb2.ListAuditEventsRequest(), metadata=caller.auth))
    assert error.status is grpc.StatusCode.UNAUTHENTICATED


async def test_events_are_kept_for_as_long_as_is_set(
    config: Config, server: Server, caller: Any, postgres_url: str
) -> None:
    now = datetime.now(UTC)
    async with record_database(postgres_url) as database:
        store = AuditStore(database)
        for event_id, days in (("old", 401), ("older", 500), ("young", 399)):
            await store.keep(AuditEvent(event_id, now - timedelta(days=days), "/a.B/C", "call"))
    async with gateway(config, ("recorder",)), asyncio.timeout(20):
        while {event.event_id for event in await events(caller)} & {"old", "older"}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "young" in {event.event_id for event in await events(caller)}
