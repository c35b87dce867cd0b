"""What becomes of jobs that providers refuse: who is asked next, who is not, and what the record says.

The bodies are those of said_of_requests.py and said_of_providers.py, which name where they were reported.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.router.harness import OPENS_AT_ONCE, Harness, asking
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_kit.joblog import JobLog
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.server import Server

Stages = dict[str, ScriptedServer]


def refused(status: int, message: str, code: str | None = None) -> Reply:
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    return Reply(status=status, body=json.dumps(body).encode())


def answering(text: str) -> Reply:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    return Reply(content_type=EVENTS, body=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())


UNKNOWN = refused(400, "Invalid base64 image_url.", "invalid_base64")
LACKING = refused(400, "This model does not support image inputs")
TOO_LONG = refused(400, "This model's maximum context length is 8 tokens", "context_length_exceeded")
BAD_CALL = refused(400, "Failed to call a function.", "tool_use_failed")
BROKEN = Reply(status=500)


@pytest.fixture
def harness(joblog: JobLog, nats_url: str, tmp_path: Path) -> Harness:
    return Harness(joblog, nats_url, tmp_path)


def all_of(servers: Stages, settings: str = "") -> str:
    """The alias `default`, with each scripted as a route."""
    routes = ", ".join(f'{{ provider = "{name}", model = "m" }}' for name in servers)
    return f"[models.default]\nroutes = [{routes}]\n{settings}"


@asynccontextmanager
async def routing(harness: Harness, servers: Stages, aliases: str = "", **settings: Any) -> AsyncIterator[Server]:
    """A router whose `default` has each scripted as a route, unless `aliases` says otherwise."""
    async with AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(scripted.running()) for name, scripted in servers.items()}
        providers = "".join(f'[providers.{name}]\nkind = "openai"\nbase_url = "{url}"\n' for name, url in urls.items())
        harness.catalog(providers + (aliases or all_of(servers)))
        yield await stack.enter_async_context(harness.routing(**settings))


def asked(servers: Stages) -> dict[str, int]:
    return {name: len(scripted.asked) for name, scripted in servers.items()}


def reasons(done: event_pb2.Done) -> list[str]:
    return [error_pb2.ErrorReason.Name(one.error.reason).removeprefix("ERROR_REASON_") for one in done.attempts]


async def test_an_unknown_refusal_is_shown_to_one_other_provider(harness: Harness) -> None:
    servers = {"a": ScriptedServer(UNKNOWN), "b": ScriptedServer(answering("From b."))}
    async with routing(harness, servers):
        done = await harness.done(await harness.submit())

    assert (done.answer.text, asked(servers)) == ("From b.", {"a": 1, "b": 1})


async def test_what_two_providers_refuse_is_not_asked_of_a_third_and_the_error_names_both(harness: Harness) -> None:
    servers = {
        "a": ScriptedServer(UNKNOWN),
        "b": ScriptedServer(refused(422, "No.")),
        "c": ScriptedServer(answering("From c.")),
    }
    async with routing(harness, servers):
        done = await harness.done(await harness.submit())

    assert (done.state, asked(servers)) == (job_pb2.JOB_STATE_FAILED, {"a": 1, "b": 1, "c": 0})
    assert done.error.reason == error_pb2.ERROR_REASON_PROVIDER_REJECTED
    assert not done.error.retryable
    for word in ("1 a PROVIDER_REJECTED", "Invalid base64 image_url.", "2 b PROVIDER_REJECTED", "(No.)", "add a route"):
        assert word in done.error.message


async def test_with_one_route_a_refusal_fails_the_job_at_once_with_what_to_do(harness: Harness) -> None:
    servers = {"a": ScriptedServer(UNKNOWN)}
    async with routing(harness, servers):
        done = await harness.done(await harness.submit())

    assert asked(servers) == {"a": 1}
    assert done.error.message == (
        "the provider answered 400 Bad Request (Invalid base64 image_url.);"
        " change the request, or add a route that takes it"
    )


async def test_what_routes_are_known_to_lack_is_asked_of_them_all(harness: Harness) -> None:
    servers = {
        "a": ScriptedServer(LACKING),
        "b": ScriptedServer(TOO_LONG),
        "c": ScriptedServer(UNKNOWN),
        "d": ScriptedServer(answering("From d.")),
    }
    async with routing(harness, servers):
        done = await harness.done(await harness.submit())

    assert (done.answer.text, asked(servers)) == ("From d.", {"a": 1, "b": 1, "c": 1, "d": 1})
    assert reasons(done)[:3] == ["UNSUPPORTED", "PROVIDER_REJECTED", "PROVIDER_REJECTED"]
    assert not done.attempts[0].usage.prompt_tokens


@pytest.mark.parametrize(
    "first", [TOO_LONG, refused(400, "The model `m` has been decommissioned", "model_decommissioned"), LACKING]
)
async def test_another_model_of_the_same_provider_is_asked_where_the_refusal_is_the_models(
    harness: Harness, first: Reply
) -> None:
    servers = {"a": ScriptedServer(first, answering("From the larger one."))}
    routes = 'routes = [{ provider = "a", model = "small" }, { provider = "a", model = "large" }]'
    async with routing(harness, servers, f"[models.default]\n{routes}\n"):
        done = await harness.done(await harness.submit())

    assert done.answer.text == "From the larger one."
    assert [one.json["model"] for one in servers["a"].asked] == ["small", "large"]


async def test_a_wrong_key_is_not_tried_on_another_model(harness: Harness) -> None:
    servers = {"a": ScriptedServer(refused(400, "Incorrect API key provided: xa***ey."))}
    routes = 'routes = [{ provider = "a", model = "small" }, { provider = "a", model = "large" }]'
    async with routing(harness, servers, f"[models.default]\n{routes}\n"):
        done = await harness.done(await harness.submit())

    assert (done.error.reason, asked(servers)) == (error_pb2.ERROR_REASON_PROVIDER_ERROR, {"a": 1})
    assert "xa***ey" not in done.error.message


async def test_a_route_that_refused_is_left_alone_while_another_is_tried_again(harness: Harness) -> None:
    servers = {"a": ScriptedServer(UNKNOWN), "b": ScriptedServer(BROKEN, BROKEN, answering("At last."))}
    async with routing(harness, servers):
        done = await harness.done(await harness.submit())

    assert (done.answer.text, asked(servers)) == ("At last.", {"a": 1, "b": 3})


async def test_a_request_that_may_be_wrong_itself_waits_for_no_outage(harness: Harness) -> None:
    aliases = (
        '[providers.out]\nkind = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n[models.default]\n'
        f'routes = [{{ provider = "a", model = "m" }}, {{ provider = "out", model = "m" }}]\n{OPENS_AT_ONCE}'
    )
    servers = {"a": ScriptedServer(UNKNOWN)}
    async with routing(harness, servers, aliases):
        done = await harness.done(await harness.submit(lives_s=3600))

    assert (done.state, asked(servers)) == (job_pb2.JOB_STATE_FAILED, {"a": 1})
    assert "refused before: 1 a PROVIDER_REJECTED: the provider answered 400" in done.error.message


async def test_when_attempts_are_used_up_the_error_still_tells_the_refusal(harness: Harness) -> None:
    servers = {"a": ScriptedServer(LACKING), "b": ScriptedServer(BROKEN)}
    async with routing(harness, servers, max_attempts=3):
        done = await harness.done(await harness.submit())

    assert done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert "1 a UNSUPPORTED: the provider answered 400" in done.error.message
    assert "does not support image inputs" in done.error.message


async def test_a_fallback_is_another_route(harness: Harness) -> None:
    aliases = (
        '[models.default]\nroutes = [{ provider = "a", model = "m" }]\nfallbacks = ["spare"]\n'
        '[models.spare]\nroutes = [{ provider = "b", model = "m" }]\n'
    )
    servers = {"a": ScriptedServer(UNKNOWN), "b": ScriptedServer(answering("From the spare."))}
    async with routing(harness, servers, aliases):
        done = await harness.done(await harness.submit())

    assert done.answer.text == "From the spare."


async def test_of_two_at_once_one_may_refuse(harness: Harness) -> None:
    servers = {
        "a": ScriptedServer(UNKNOWN),
        "b": ScriptedServer(answering("From b.")),
        "c": ScriptedServer(answering("From c.")),
    }
    async with routing(harness, servers, all_of(servers, "first_of = 2\n")):
        done = await harness.done(await harness.submit())

    assert (done.answer.text, asked(servers)["c"]) == ("From b.", 0)


async def test_of_two_at_once_both_may_refuse_and_nobody_else_is_asked(harness: Harness) -> None:
    servers = {"a": ScriptedServer(UNKNOWN), "b": ScriptedServer(UNKNOWN), "c": ScriptedServer(answering("From c."))}
    async with routing(harness, servers, all_of(servers, "first_of = 2\n")):
        done = await harness.done(await harness.submit())

    assert (done.state, asked(servers)) == (job_pb2.JOB_STATE_FAILED, {"a": 1, "b": 1, "c": 0})


async def test_a_call_that_the_model_spoilt_is_asked_for_once_more(harness: Harness) -> None:
    """Groq's tool_use_failed: another try may succeed (https://github.com/pydantic/pydantic-ai/issues/2774)."""
    servers = {"a": ScriptedServer(BAD_CALL, answering("Done.")), "b": ScriptedServer(BAD_CALL)}
    alone = {name: f'[models.{name}]\nroutes = [{{ provider = "{name}", model = "m" }}]\n' for name in servers}
    async with routing(harness, servers, "".join(alone.values())):
        mended = await harness.done(await harness.submit(asking(model="a")))
        spoilt = await harness.done(await harness.submit(asking(model="b")))

    assert (mended.answer.text, asked(servers)) == ("Done.", {"a": 2, "b": 2})
    assert spoilt.error.reason == error_pb2.ERROR_REASON_ANSWER_INVALID
    assert "Failed to call a function." in spoilt.error.message


async def test_a_refusal_inside_a_stream_leads_on_as_one_before_it(harness: Harness) -> None:
    event = {"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "status_code": 400}}
    inside = Reply(content_type=EVENTS, body=f"event: error\ndata: {json.dumps(event)}\n\n".encode())
    servers = {"a": ScriptedServer(inside), "b": ScriptedServer(answering("From b."))}
    async with routing(harness, servers):
        done = await harness.done(await harness.submit())

    assert (done.answer.text, reasons(done)[0]) == ("From b.", "ANSWER_INVALID")


@pytest.mark.parametrize(
    ("reply", "breaker"),
    [
        (UNKNOWN, pb.Provider.BREAKER_CLOSED),
        (LACKING, pb.Provider.BREAKER_CLOSED),
        (BAD_CALL, pb.Provider.BREAKER_CLOSED),
        (refused(400, "This organization has been disabled."), pb.Provider.BREAKER_OPEN),
        (refused(400, "Incorrect API key provided"), pb.Provider.BREAKER_OPEN),
        (refused(400, "m", "model_decommissioned"), pb.Provider.BREAKER_OPEN),
    ],
)
async def test_only_what_says_something_about_the_provider_opens_its_breaker(
    harness: Harness, reply: Reply, breaker: pb.Provider.Breaker.ValueType
) -> None:
    servers = {"a": ScriptedServer(reply), "b": ScriptedServer(answering("From b."))}
    async with (
        routing(harness, servers, all_of(servers, OPENS_AT_ONCE)) as server,
        Channel(server.address, "router") as channel,
    ):
        done = await harness.done(await harness.submit())
        stub: rpc.RouterServiceAsyncStub = rpc.RouterServiceStub(channel.raw)
        first = (await stub.ListProviders(pb.ListProvidersRequest())).providers[0]

    assert (done.answer.text, first.breaker) == ("From b.", breaker)


async def test_a_model_that_is_gone_is_not_waited_for(harness: Harness) -> None:
    servers = {"a": ScriptedServer(refused(404, "m", "model_not_found"))}
    async with routing(harness, servers, all_of(servers, OPENS_AT_ONCE)):
        dones = [await harness.done(await harness.submit()) for _ in range(2)]

    assert [done.state for done in dones] == [job_pb2.JOB_STATE_FAILED] * 2
    assert "tells the operator what does" in dones[1].error.message
    assert asked(servers) == {"a": 1}


async def test_the_route_after_a_refusal_is_outside_the_retry_budget(harness: Harness) -> None:
    servers = {"a": ScriptedServer(LACKING), "b": ScriptedServer(answering("From b."))}
    async with routing(harness, servers, all_of(servers, "retries = { share = 0.0, floor = 1 }\n")):
        ids = [await harness.submit(lives_s=15) for _ in range(4)]
        dones = [await harness.done(job_id) for job_id in ids]

    assert [done.answer.text for done in dones] == ["From b."] * 4


async def test_a_job_waits_for_the_route_left_where_the_other_refused(harness: Harness) -> None:
    """Nobody takes it now: the one has refused it, the other is out. The first is not asked again meanwhile."""
    servers = {"a": ScriptedServer(LACKING), "b": ScriptedServer(BROKEN, answering("Back again."))}
    breaker = "[breaker]\nminimum_calls = 1\nopen_s = 0.3\nlongest_open_s = 0.3\n"
    async with routing(harness, servers, all_of(servers, breaker)):
        done = await harness.done(await harness.submit())

    assert (done.answer.text, asked(servers)) == ("Back again.", {"a": 1, "b": 2})
