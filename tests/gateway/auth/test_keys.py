"""Who gets in: keys, the operator's token, and what clients cannot claim."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import weft_gateway
from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import job_pb2
from weft.router.v1 import router_pb2, router_pb2_grpc
from weft_gateway.auth.key_cache import KeyCache, Life
from weft_gateway.auth.keys import Key, new_credential
from weft_gateway.config import Config
from weft_gateway.postgres import SCHEMA, record_database
from weft_gateway.server import gateway
from weft_kit.rpc.errors import DependencyDown
from weft_kit.rpc.server import Server
from weft_kit.stores.postgres import migrate

Ask = Callable[..., job_pb2.GenerationRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
OPERATOR = (("authorization", "Bearer operator-token"),)


async def test_a_key_opens_the_door_for_its_tenant(caller: Any, ask: Ask) -> None:
    job = await caller.submit(ask())
    assert (await caller.get(job.job_id)).state == job_pb2.JOB_STATE_QUEUED


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer ", "Bearer nonsense", "Bearer operator-token"])
async def test_without_a_usable_key_nobody_enters(server: Server, refused: Refused, header: str | None) -> None:
    metadata = (("authorization", header),) if header is not None else ()
    async with grpc.aio.insecure_channel(server.address) as channel:
        error = await refused(rpc.GatewayServiceStub(channel).GetJob(pb.GetJobRequest(), metadata=metadata))
    assert error.status is grpc.StatusCode.UNAUTHENTICATED
    assert error.reason == error_pb2.ERROR_REASON_UNAUTHENTICATED
    assert "weft keys create" in error.message


async def test_an_unknown_key_and_a_wrong_secret_are_told_the_same(caller: Any, refused: Refused) -> None:
    wrong = new_credential()
    secrets = (str(wrong), f"wk_{caller.key.key_id}_{wrong.secret}")
    errors = [
        await refused(caller.jobs.GetJob(pb.GetJobRequest(), metadata=(("authorization", f"Bearer {secret}"),)))
        for secret in secrets
    ]
    assert {error.status for error in errors} == {grpc.StatusCode.UNAUTHENTICATED}
    assert len({error.message for error in errors}) == 1


async def test_a_client_cannot_claim_to_be_another_tenant(caller: Any, ask: Ask, refused: Refused) -> None:
    claims = (("weft-tenant", "victim"), ("weft-key-id", "k"), *caller.auth)
    made = await caller.jobs.SubmitJob(pb.SubmitJobRequest(request=ask()), metadata=claims)
    assert (await caller.get(made.job.job_id)).job_id == made.job.job_id
    error = await refused(
        caller.jobs.ListJobs(pb.ListJobsRequest(), metadata=(("weft-tenant", caller.key.tenant),)),
    )
    assert error.status is grpc.StatusCode.UNAUTHENTICATED


async def test_a_revoked_key_stops_working(server: Server, caller: Any, refused: Refused) -> None:
    keys = rpc.KeyServiceStub(caller.channel)
    await caller.list()
    first = await keys.RevokeKey(pb.RevokeKeyRequest(key_id=caller.key.key_id), metadata=OPERATOR)
    error = await refused(caller.list())
    assert error.status is grpc.StatusCode.UNAUTHENTICATED
    assert "revoked" in error.message
    again = await keys.RevokeKey(pb.RevokeKeyRequest(key_id=caller.key.key_id), metadata=OPERATOR)
    assert again.key.revoke_time == first.key.revoke_time
    assert first.effective_within.seconds == 10


async def test_an_unknown_key_cannot_be_revoked(caller: Any, refused: Refused) -> None:
    keys = rpc.KeyServiceStub(caller.channel)
    error = await refused(keys.RevokeKey(pb.RevokeKeyRequest(key_id="none"), metadata=OPERATOR))
    assert error.reason == error_pb2.ERROR_REASON_KEY_NOT_FOUND


async def test_keys_are_listed_newest_first_in_pages_without_secrets(server: Server, new_caller: Any) -> None:
    made = [await new_caller(server, tenant="acme") for _ in range(5)]
    await new_caller(server, tenant="other")
    keys = rpc.KeyServiceStub(made[0].channel)
    pages, token = [], ""
    while True:
        question = pb.ListKeysRequest(tenant="acme", page_size=2, page_token=token)
        page = await keys.ListKeys(question, metadata=OPERATOR)
        pages.append([key.key_id for key in page.keys])
        if not (token := page.next_page_token):
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [key_id for page in pages for key_id in page] == [each.key.key_id for each in reversed(made)]
    assert len((await keys.ListKeys(pb.ListKeysRequest(), metadata=OPERATOR)).keys) == 6


async def test_a_key_needs_a_tenant_of_the_right_form(caller: Any, refused: Refused) -> None:
    keys = rpc.KeyServiceStub(caller.channel)
    question = pb.CreateKeyRequest(tenant="Not Good", name="x" * 65, calls_per_minute=-1)
    error = await refused(keys.CreateKey(question, metadata=OPERATOR))
    assert set(error.violations) == {"tenant", "name", "calls_per_minute"}


async def test_keys_are_managed_with_the_operators_token_only(caller: Any, refused: Refused) -> None:
    keys = rpc.KeyServiceStub(caller.channel)
    for metadata in ((), caller.auth, (("authorization", "Bearer operator"),)):
        error = await refused(keys.ListKeys(pb.ListKeysRequest(), metadata=metadata))
        assert error.status is grpc.StatusCode.UNAUTHENTICATED


async def test_providers_are_checked_with_the_operators_token_only(caller: Any, refused: Refused) -> None:
    check = router_pb2_grpc.RouterServiceStub(caller.channel).CheckProviders
    error = await refused(check(router_pb2.CheckProvidersRequest(), metadata=caller.auth))
    assert error.status is grpc.StatusCode.UNAUTHENTICATED
    error = await refused(check(router_pb2.CheckProvidersRequest(), metadata=OPERATOR))
    assert error.metadata == {"dependency": "router"}  # it is let in, and there is no router behind this gateway


async def test_without_an_operator_token_keys_cannot_be_managed(config: Config, refused: Refused) -> None:
    async with (
        gateway(config.model_copy(update={"operator_token": type(config.operator_token)("")}), ("serve",)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        error = await refused(rpc.KeyServiceStub(channel).ListKeys(pb.ListKeysRequest(), metadata=OPERATOR))
    assert error.status is grpc.StatusCode.PERMISSION_DENIED
    assert "WEFT_GATEWAY_OPERATOR_TOKEN" in error.message


async def test_health_needs_no_key(server: Server) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_replicas_that_start_together_migrate_once(postgres_url: str) -> None:
    async with (
        record_database(postgres_url) as first,
        record_database(postgres_url) as second,
        first.connection(10) as one,
        second.connection(10) as other,
    ):
        await asyncio.gather(migrate(one, SCHEMA), migrate(other, SCHEMA))
        applied = await (await one.execute("SELECT name FROM gateway_migrations")).fetchall()
    files = Path(weft_gateway.__file__).with_name("migrations").glob("*.sql")
    assert sorted(name for (name,) in applied) == sorted(file.name for file in files)


class Store:
    """What a key_cache asks, with a switch for being down and a count of questions."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.key_id: key for key in keys}
        self.is_down = False
        self.asked = 0

    async def find(self, key_id: str) -> Key | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise DependencyDown("postgresql", "down")
        return self.keys.get(key_id)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:

    return Store(Key("k", "acme", "", b"", datetime.now(UTC)))


@pytest.fixture
def key_cache(store: Store, clock: Clock) -> KeyCache:
    return KeyCache(store.find, Life(fresh_s=10, stale_s=100, absent_s=2), clock)


async def test_calls_that_wait_for_the_same_key_share_one_query(store: Store, key_cache: KeyCache) -> None:
    found = await asyncio.gather(*(key_cache.find("k") for _ in range(20)))
    assert store.asked == 1
    assert all(found)


async def test_a_key_is_asked_for_again_when_it_is_no_longer_fresh(
    store: Store, key_cache: KeyCache, clock: Clock
) -> None:
    for clock.now in (0, 9, 11, 12):
        assert await key_cache.find("k")
    assert store.asked == 2


async def test_an_absent_key_is_remembered_for_a_shorter_time(store: Store, key_cache: KeyCache, clock: Clock) -> None:
    for clock.now in (0, 1, 3):
        assert await key_cache.find("none") is None
    assert store.asked == 2


async def test_a_known_key_outlives_a_store_that_is_down_but_not_for_ever(
    store: Store, key_cache: KeyCache, clock: Clock
) -> None:
    await key_cache.find("k")
    store.is_down = True
    for clock.now in (11, 50, 99):
        assert await key_cache.find("k")
    clock.now = 101
    with pytest.raises(DependencyDown):
        await key_cache.find("k")


async def test_while_the_store_is_down_known_keys_do_not_wait_for_it(
    store: Store, key_cache: KeyCache, clock: Clock
) -> None:
    await key_cache.find("k")
    store.is_down, clock.now = True, 11
    await key_cache.find("k")
    clock.now = 13
    assert key_cache.recall("k")


async def test_a_caller_who_leaves_does_not_take_the_answer_from_the_others(store: Store, key_cache: KeyCache) -> None:
    leaving, staying = asyncio.create_task(key_cache.find("k")), asyncio.create_task(key_cache.find("k"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying
    assert store.asked == 1
