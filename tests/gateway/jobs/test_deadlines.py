"""A job expires when its timeout says, or with its call where that is asked for."""

from datetime import timedelta
from typing import Any

from tests.gateway.conftest import Ask, Refused

from weft.gateway.v1 import gateway_pb2 as pb


async def test_a_job_may_not_outlive_the_log_that_keeps_it(caller: Any, ask: Ask, refused: Refused) -> None:
    error = await refused(caller.submit(ask(timeout=timedelta(hours=23))))
    assert error.violations.keys() == {"request.timeout"}


async def test_a_job_expires_when_its_timeout_says(caller: Any, ask: Ask) -> None:
    job = await caller.submit(ask(timeout=timedelta(seconds=5)))
    assert abs((job.expire_time.ToDatetime() - job.accept_time.ToDatetime()).total_seconds() - 5) < 1


async def test_a_job_expires_with_its_call_when_that_is_asked_for(caller: Any, ask: Ask) -> None:
    async def life_s(timeout_s: float | None, **fields: Any) -> float:
        question = pb.SubmitJobRequest(request=ask(), **fields)
        job = (await caller.jobs.SubmitJob(question, metadata=caller.auth, timeout=timeout_s)).job
        return float((job.expire_time.ToDatetime() - job.accept_time.ToDatetime()).total_seconds())

    assert 29 < await life_s(30.0, expire_with_call=True) < 31
    assert 599 < await life_s(30.0) < 601
    assert 599 < await life_s(None, expire_with_call=True) < 601
    assert 599 < await life_s(900.0, expire_with_call=True) < 601


async def test_generate_and_batches_expire_with_their_call_too(caller: Any, ask: Ask) -> None:
    stream = caller.generate(ask(), limit_s=30.0, expire_with_call=True)
    first = (await anext(aiter(stream))).event
    assert (first.accepted.expire_time.ToDatetime() - first.time.ToDatetime()).total_seconds() < 31
    items = [pb.SubmitJobRequest(request=ask(), expire_with_call=asked) for asked in (True, False)]
    answer = await caller.jobs.SubmitJobs(pb.SubmitJobsRequest(requests=items), metadata=caller.auth, timeout=30.0)
    lives = [
        (result.job.expire_time.ToDatetime() - result.job.accept_time.ToDatetime()).total_seconds()
        for result in answer.results
    ]
    assert lives[0] < 31 < lives[1]
