"""A repeated request is the same job; another request under its id is refused."""

import asyncio
import hashlib
from typing import Any

import grpc.aio
from tests.gateway.conftest import Ask, Refused, Work

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft_kit.rpc.server import Server


async def test_a_repeat_with_another_deadline_is_still_a_repeat(caller: Any, ask: Ask) -> None:
    question = pb.SubmitJobRequest(request_id="order-1", request=ask(), expire_with_call=True)
    first = (await caller.jobs.SubmitJob(question, metadata=caller.auth, timeout=20.0)).job
    assert (await caller.jobs.SubmitJob(question, metadata=caller.auth, timeout=40.0)).job == first
    assert await caller.submit(ask(), "order-1") == first


async def test_a_repeat_with_the_same_id_and_body_is_the_same_job(caller: Any, ask: Ask, work: Work) -> None:
    first = await caller.submit(ask(), "order-1")
    assert await caller.submit(ask(), "order-1") == first
    await work(first, "answer")
    assert (await caller.submit(ask(), "order-1")).answer.text == "answer"
    events = [answer.event async for answer in caller.generate(ask(), "order-1")]
    assert events[0].job_id == first.job_id
    assert events[-1].done.answer.text == "answer"


async def test_a_repeat_with_another_body_is_refused_with_both_hashes(caller: Any, ask: Ask, refused: Refused) -> None:
    await caller.submit(ask("one"), "order-1")
    error = await refused(caller.submit(ask("two"), "order-1"))
    assert error.status is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED
    hashes = {
        name: hashlib.sha256(ask(name).SerializeToString(deterministic=True)).hexdigest() for name in ("one", "two")
    }
    assert error.metadata == {"first_request_hash": hashes["one"], "request_hash": hashes["two"]}


async def test_fifty_submits_at_once_with_one_id_make_one_job(caller: Any, ask: Ask, recorded: Any) -> None:
    jobs = await asyncio.gather(*(caller.submit(ask(), "same") for _ in range(50)))
    assert len({job.job_id for job in jobs}) == 1
    assert len(await recorded(caller, bool)) == 1


async def test_two_tenants_may_use_the_same_request_id(server: Server, new_caller: Any, ask: Ask) -> None:
    one, other = await new_caller(server), await new_caller(server)
    assert (await one.submit(ask(), "same")).job_id != (await other.submit(ask(), "same")).job_id
