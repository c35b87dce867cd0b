"""Jobs that share a call survive the loss of the router that makes it: nobody waits for a lease to run out.

What else single flight promises, with routers in one process: tests/router/single_flight/test_flights.py,
test_flights_between_routers.py.
"""

import asyncio
import math
import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis
from tests.durability.environment import Environment
from tests.durability.ledger import Ending, ending, said_by_mock
from tests.durability.processes import Service
from tests.support.waiting import until

from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.requests import chat

pytestmark = pytest.mark.asyncio(loop_scope="package")

LISTENERS = 8
TOKENS = 150


# A frozen router takes a while to be found silent, and jobs handed to it again come back only when the call is over.
@pytest.mark.parametrize(
    ("lose", "noticed_s", "more_calls"), [(Service.kill, 1.0, 1), (Service.pause, 6.0, 2)], ids=["killed", "frozen"]
)
async def test_the_loss_of_the_leader_loses_nobody(
    brisk: Environment, lose: Callable[[Service], None], noticed_s: float, more_calls: int
) -> None:
    prompt = f"shared, and then {lose.__name__}"
    async with brisk.client() as weft:
        leader = await submitted(brisk, weft, prompt)
        listeners = await asyncio.gather(*(submitted(brisk, weft, prompt) for _ in range(LISTENERS)))
    calls, lost_unix_s = brisk.mock.ledger.prompts[prompt], time.time()
    lose(await host(brisk))
    endings = [await ending(brisk, job_id) for job_id in (leader, *listeners)]
    await brisk.mend()

    assert {found.done.state for found in endings} == {job_pb2.JOB_STATE_SUCCEEDED}
    assert {found.done.answer.text for found in endings} == {said_by_mock(prompt, TOKENS)}
    assert brisk.mock.ledger.prompts[prompt] - calls <= more_calls
    assert min(went_on_s(found, lost_unix_s) for found in endings) < noticed_s


async def submitted(environment: Environment, weft: WeftClient, prompt: str) -> str:
    """A job that joins others like it, once its text has begun."""
    request = chat(prompt, model="long")
    request.cache.mode = job_pb2.CACHE_MODE_EXACT
    job = await weft.submit(request)

    async def speaks() -> bool:
        return any(event.HasField("delta") for event in await environment.log.events(job.job_id))

    await until(f"{job.job_id} speaks", speaks)
    return job.job_id


async def host(environment: Environment) -> Service:
    """The router that makes the only call under way."""
    async with Redis.from_url(environment.valkey.url, decode_responses=True) as redis:
        [key] = [key async for key in redis.scan_iter("weft:flight:*")]
        address = await redis.get(key)
    return next(router for router in environment.routers if router.address == address)


def went_on_s(found: Ending, lost_unix_s: float) -> float:
    """After how long another attempt began, in seconds."""
    starts = (event.time.ToNanoseconds() / 1e9 for event in found.events if event.HasField("started"))
    return min((at - lost_unix_s for at in starts if at > lost_unix_s), default=math.inf)
