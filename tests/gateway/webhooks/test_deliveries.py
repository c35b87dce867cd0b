"""Webhooks as tenants see them: signed, listed, sent again, and nobody else's."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from standardwebhooks import Webhook, WebhookVerificationError
from tests.gateway.conftest import Ask, Work
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.gateway.v1 import webhook_pb2 as pb
from weft.gateway.v1 import webhook_pb2_grpc as rpc
from weft_gateway.config import Config
from weft_gateway.server import gateway

DAY_S = 24 * 3600


@dataclass
class Tenant:
    """A caller, and what it can do with its webhooks."""

    caller: Any
    ask: Ask
    work: Work

    def __post_init__(self) -> None:
        self._webhooks = rpc.WebhookServiceStub(self.caller.channel)

    async def finish(self, url: str) -> str:
        """Submits a job with a webhook, and does it."""
        job = await self.caller.submit(self.ask(webhook_url=url))
        await self.work(job, "Rayleigh")
        return job.job_id

    async def deliveries(self, **fields: Any) -> pb.ListDeliveriesResponse:
        return await self._webhooks.ListDeliveries(pb.ListDeliveriesRequest(**fields), metadata=self.caller.auth)

    async def redeliver(self, job_id: str) -> pb.Delivery:
        question = pb.RedeliverWebhookRequest(job_id=job_id)
        return (await self._webhooks.RedeliverWebhook(question, metadata=self.caller.auth)).delivery

    async def secrets(self) -> list[pb.WebhookSecret]:
        answer = await self._webhooks.ListWebhookSecrets(pb.ListWebhookSecretsRequest(), metadata=self.caller.auth)
        return list(answer.secrets)

    async def rotate(self, overlap_s: int | None = None) -> list[pb.WebhookSecret]:
        question = pb.RotateWebhookSecretRequest()
        if overlap_s is not None:
            question.overlap.CopyFrom(Duration(seconds=overlap_s))
        return list((await self._webhooks.RotateWebhookSecret(question, metadata=self.caller.auth)).secrets)

    async def delivery(self, job_id: str, holds: Callable[[pb.Delivery], bool]) -> pb.Delivery:
        """The delivery of a job, once it is as the condition says."""

        async def look() -> pb.Delivery | None:
            found = (await self.deliveries(job_id=job_id)).deliveries
            return found[0] if found and holds(found[0]) else None

        return await until("the delivery is so", look, within_s=20)

    async def settled(self, job_id: str) -> pb.Delivery:
        return await self.delivery(job_id, lambda delivery: delivery.state != pb.DELIVERY_STATE_PENDING)


@pytest.fixture
def tenant(caller: Any, ask: Ask, work: Work) -> Tenant:
    return Tenant(caller, ask, work)


@pytest.fixture
def tenant_of(config: Config, new_caller: Any, ask: Ask, work: Work) -> Callable[..., Any]:
    """A gateway with other settings, and a tenant of it."""

    @asynccontextmanager
    async def run(tenant: str = "", **settings: Any) -> AsyncIterator[Tenant]:
        async with gateway(config.model_copy(update=settings)) as server:
            yield Tenant(await new_caller(server, tenant), ask, work)

    return run


def verified_by(secret: str, post: Any) -> bool:
    try:
        Webhook(secret).verify(post.body, post.headers)
    except WebhookVerificationError:
        return False
    return True


async def test_the_end_of_a_job_is_posted_once_and_signed(tenant: Tenant, receiver: Any) -> None:
    silent = await tenant.caller.submit(tenant.ask())
    await tenant.work(silent, "x")
    job_id = await tenant.finish(receiver.url)
    post = await receiver.posts.get()
    (secret,) = await tenant.secrets()
    event = Webhook(secret.secret).verify(post.body, post.headers)
    assert (event["type"], post.headers["webhook-id"], event["data"]["jobId"]) == ("job.succeeded", job_id, job_id)
    assert event["data"]["answer"]["text"] == "Rayleigh"
    delivery = await tenant.settled(job_id)
    assert (delivery.state, delivery.url) == (pb.DELIVERY_STATE_DELIVERED, receiver.url)
    (only,) = delivery.tries
    assert (only.http_status, only.outcome) == (200, "HTTP 200")
    assert only.duration.ToTimedelta().total_seconds() > 0
    assert delivery.create_time.ToDatetime() <= only.time.ToDatetime()
    assert not delivery.HasField("next_try_time")
    assert receiver.posts.empty()


async def test_a_cancelled_job_is_posted_too(tenant: Tenant, receiver: Any) -> None:
    job = await tenant.caller.submit(tenant.ask(webhook_url=receiver.url))
    await tenant.caller.cancel(job.job_id)
    event = (await receiver.posts.get()).event
    assert (event["type"], event["data"]["error"]["reason"]) == ("job.cancelled", "ERROR_REASON_CANCELLED")


async def test_a_target_that_fails_is_tried_again_under_the_same_id(tenant: Tenant, receiver: Any) -> None:
    receiver.answers = [500, 302, 404]
    job_id = await tenant.finish(receiver.url)
    posts = [await receiver.posts.get() for _ in range(4)]
    assert {post.headers["webhook-id"] for post in posts} == {job_id}
    (secret,) = await tenant.secrets()
    assert all(verified_by(secret.secret, post) for post in posts)
    assert [made.http_status for made in (await tenant.settled(job_id)).tries] == [500, 302, 404, 200]


async def test_a_target_that_is_gone_is_left_alone(tenant: Tenant, receiver: Any) -> None:
    receiver.answers = [410]
    delivery = await tenant.settled(await tenant.finish(receiver.url))
    assert (delivery.state, len(delivery.tries)) == (pb.DELIVERY_STATE_FAILED, 1)


async def test_a_target_decides_how_long_it_is_left_alone(tenant_of: Any, receiver: Any) -> None:
    receiver.answers, receiver.answer_headers = [503], {"Retry-After": "3600"}
    async with tenant_of(webhook_longest_wait_s=60.0) as tenant:
        job_id = await tenant.finish(receiver.url)
        delivery = await tenant.delivery(job_id, lambda delivery: bool(delivery.tries))
    wait = delivery.next_try_time.ToDatetime() - delivery.tries[0].time.ToDatetime()
    assert 59 < wait.total_seconds() < 65


async def test_tries_end_and_a_redelivery_begins_afresh(tenant_of: Any, receiver: Any) -> None:
    receiver.answers = [500, 500, 500]
    async with tenant_of(webhook_tries=2) as tenant:
        job_id = await tenant.finish(receiver.url)
        assert (await tenant.settled(job_id)).state == pb.DELIVERY_STATE_FAILED
        again = await tenant.redeliver(job_id)
        assert (again.state, len(again.tries)) == (pb.DELIVERY_STATE_PENDING, 2)
        delivery = await tenant.settled(job_id)
    assert delivery.state == pb.DELIVERY_STATE_DELIVERED
    assert [made.http_status for made in delivery.tries] == [500, 500, 500, 200]


async def test_what_was_delivered_is_sent_again_on_demand(tenant: Tenant, receiver: Any) -> None:
    job_id = await tenant.finish(receiver.url)
    await tenant.settled(job_id)
    assert (await tenant.redeliver(job_id)).HasField("next_try_time")
    first, again = [await receiver.posts.get() for _ in range(2)]
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == job_id
    assert first.event == again.event


async def test_a_job_without_webhook_or_end_has_nothing_to_send_again(tenant: Tenant, refused: Any) -> None:
    queued = await tenant.caller.submit(tenant.ask(webhook_url="https://example.org/"))
    plain = await tenant.caller.submit(tenant.ask())
    await tenant.work(plain, "x")
    for job_id in (queued.job_id, plain.job_id, "nothing like an id"):
        error = await refused(tenant.redeliver(job_id))
        assert (error.status, error.reason) == (grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_DELIVERY_NOT_FOUND)


async def test_deliveries_and_secrets_are_their_tenants_own(
    tenant: Tenant, server: Any, new_caller: Any, refused: Any, receiver: Any
) -> None:
    job_id = await tenant.finish(receiver.url)
    await tenant.settled(job_id)
    stranger = Tenant(await new_caller(server), tenant.ask, tenant.work)
    assert not (await stranger.deliveries()).deliveries
    assert not (await stranger.deliveries(job_id=job_id)).deliveries
    assert (await refused(stranger.redeliver(job_id))).reason == error_pb2.ERROR_REASON_DELIVERY_NOT_FOUND
    (theirs,) = await stranger.secrets()
    assert not verified_by(theirs.secret, await receiver.posts.get())
    assert receiver.posts.empty()


async def test_deliveries_are_listed_by_state_in_pages_newest_first(
    tenant: Tenant, refused: Any, receiver: Any
) -> None:
    receiver.answers = [410]
    gone = await tenant.finish(receiver.url)
    await tenant.settled(gone)
    good = [await tenant.finish(receiver.url) for _ in range(3)]
    for job_id in good:
        await tenant.settled(job_id)
    listed = [delivery.job_id for delivery in (await tenant.deliveries()).deliveries]
    assert (sorted(listed), listed[-1]) == (sorted([gone, *good]), gone)
    assert [found.job_id for found in (await tenant.deliveries(states=[pb.DELIVERY_STATE_FAILED])).deliveries] == [gone]
    page = await tenant.deliveries(page_size=3)
    rest = await tenant.deliveries(page_size=3, page_token=page.next_page_token)
    assert [delivery.job_id for delivery in (*page.deliveries, *rest.deliveries)] == listed
    assert not rest.next_page_token
    error = await refused(tenant.deliveries(states=[pb.DELIVERY_STATE_FAILED], page_token=page.next_page_token))
    assert error.reason == error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN
    assert (await refused(tenant.deliveries(page_size=1001))).status == grpc.StatusCode.INVALID_ARGUMENT


async def test_two_secrets_sign_during_a_rotation(tenant: Tenant, receiver: Any) -> None:
    (first,) = await tenant.secrets()
    second, before = await tenant.rotate()
    assert (before.secret, before.create_time) == (first.secret, first.create_time)
    assert not second.HasField("expire_time")
    overlap = before.expire_time.ToDatetime() - second.create_time.ToDatetime()
    assert overlap.total_seconds() == pytest.approx(DAY_S, abs=1)
    assert await tenant.secrets() == [second, before]
    await tenant.finish(receiver.url)
    post = await receiver.posts.get()
    assert len(post.headers["webhook-signature"].split(" ")) == 2
    assert verified_by(first.secret, post)
    assert verified_by(second.secret, post)


async def test_a_rotation_during_a_rotation_ends_the_oldest_at_once(tenant: Tenant, receiver: Any) -> None:
    (first,) = await tenant.secrets()
    second, _ = await tenant.rotate()
    third, before = await tenant.rotate(60)
    assert before.secret == second.secret
    await tenant.finish(receiver.url)
    post = await receiver.posts.get()
    assert [verified_by(secret.secret, post) for secret in (first, second, third)] == [False, True, True]


async def test_a_rotation_without_overlap_ends_the_secret_before_at_once(tenant: Tenant, receiver: Any) -> None:
    (first,) = await tenant.secrets()
    (second,) = await tenant.rotate(0)
    await tenant.finish(receiver.url)
    post = await receiver.posts.get()
    assert [verified_by(secret.secret, post) for secret in (first, second)] == [False, True]


async def test_the_first_rotation_of_all_makes_one_secret(tenant: Tenant) -> None:
    made = await tenant.rotate()
    assert len(made) == 1
    assert await tenant.secrets() == made


@pytest.mark.parametrize("overlap_s", [-1, 7 * DAY_S + 1, 2**60])
async def test_an_overlap_out_of_range_is_refused(tenant: Tenant, refused: Any, overlap_s: int) -> None:
    error = await refused(tenant.rotate(overlap_s))
    assert (error.status, list(error.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, ["overlap"])


async def test_without_a_signing_key_webhooks_are_off_and_nothing_is_lost(
    tenant_of: Any, config: Config, refused: Any, receiver: Any
) -> None:
    receiver.answers = [500]
    async with tenant_of(webhook_first_wait_s=0.5, webhook_tries=1) as tenant:
        name = tenant.caller.key.tenant
        job_id = await tenant.finish(receiver.url)
        assert (await tenant.settled(job_id)).state == pb.DELIVERY_STATE_FAILED
        waiting = await tenant.caller.submit(tenant.ask(webhook_url=receiver.url))
    async with tenant_of(name, webhook_signing_key=type(config.webhook_signing_key)("")) as tenant:
        for call in (
            tenant.caller.submit(tenant.ask(webhook_url=receiver.url)),
            tenant.redeliver(job_id),
            tenant.secrets(),
            tenant.rotate(),
        ):
            error = await refused(call)
            expected = (grpc.StatusCode.FAILED_PRECONDITION, error_pb2.ERROR_REASON_WEBHOOKS_OFF)
            assert (error.status, error.reason) == expected
            assert "WEFT_GATEWAY_WEBHOOK_SIGNING_KEY" in error.message
        await tenant.work(waiting, "x")
        delivery = await tenant.delivery(waiting.job_id, lambda delivery: bool(delivery.tries))
        assert delivery.state == pb.DELIVERY_STATE_PENDING
        assert "WEFT_GATEWAY_WEBHOOK_SIGNING_KEY" in delivery.tries[0].outcome
        await tenant.caller.submit(tenant.ask())
    async with tenant_of(name) as tenant:
        assert (await tenant.settled(waiting.job_id)).state == pb.DELIVERY_STATE_DELIVERED


async def test_a_target_inside_our_own_network_is_refused_and_told_like_one_that_does_not_exist(
    tenant_of: Any, receiver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"webhook_tries": 3, "webhook_longest_wait_s": 0.02}
    async with tenant_of(webhook_allow_private=False, **settings) as tenant:
        hosts = ("localhost", "does-not-exist.invalid")
        jobs = [await tenant.finish(f"http://{host}:{receiver.port}/hook") for host in hosts]
        inside, nowhere = [await tenant.settled(job_id) for job_id in jobs]
    for delivery in (inside, nowhere):
        assert delivery.state == pb.DELIVERY_STATE_FAILED
        told = [(each.http_status, each.outcome, each.duration.ToNanoseconds()) for each in delivery.tries]
        assert told == [(0, "not reachable: the name has no public address", 0)] * 3
    assert receiver.posts.empty()
    given_up = [line for line in capsys.readouterr().out.splitlines() if "webhook given up" in line]
    assert [("is not a public address" in line) for line in given_up if jobs[0] in line] == [True]


async def test_a_notifier_alone_delivers_what_others_recorded(
    config: Config, new_caller: Any, ask: Ask, work: Work, receiver: Any
) -> None:
    async with gateway(config, ("serve", "recorder")) as server:
        tenant = Tenant(await new_caller(server), ask, work)
        await tenant.finish(receiver.url)
        async with gateway(config, ("notifier",)):
            assert (await receiver.posts.get()).event["type"] == "job.succeeded"
