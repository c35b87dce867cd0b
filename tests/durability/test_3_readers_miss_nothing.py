"""Promise 3: a reader that comes back with `after_sequence`, to any gateway, gets exactly what it has not seen.

How live and stored events are spliced, and what a lost live message does: tests/kit/joblog/test_joblog.py.
"""

import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.durability.environment import Environment
from tests.durability.ledger import ending
from tests.support.transcript import text_of

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2
from weft_client.requests import chat
from weft_kit.joblog import text_hash
from weft_kit.rpc.channel import Channel

pytestmark = pytest.mark.asyncio(loop_scope="package")

READERS_A_JOB = 6
LONGEST_ABSENCE_S = 0.4


async def test_readers_cut_off_anywhere_see_every_event_once(brisk: Environment, seed: int) -> None:
    chance = random.Random(seed)
    async with brisk.client() as weft:
        models = ["short", "short", "echo", "echo"]
        prompts = [" ".join([f"job {at} of seed {seed}", *map(str, range(chance.randint(5, 60)))]) for at in range(4)]
        jobs = [await weft.submit(chat(prompt, model=model)) for prompt, model in zip(prompts, models, strict=True)]
    async with (
        Channel(brisk.gateways[0].address, "gateway") as one,
        Channel(brisk.gateways[1].address, "gateway") as two,
    ):
        auth = (("authorization", f"Bearer {brisk.keys['acme']}"),)
        readers = [
            asyncio.create_task(read([one, two], auth, job.job_id, random.Random(f"{seed} {job.job_id} {number}")))
            for job in jobs
            for number in range(READERS_A_JOB)
        ]
        # A worker that is lost meanwhile makes jobs go on from their text, or withdraw it.
        brisk.routers[seed % 2].kill()
        async with asyncio.timeout(30):
            seen = await asyncio.gather(*readers)

    for at, job in enumerate(jobs):
        found = await ending(brisk, job.job_id)
        for events in seen[at * READERS_A_JOB : (at + 1) * READERS_A_JOB]:
            assert events == found.events
            assert text_hash(text_of(events)) == found.done.text_hash


@pytest.fixture(params=[1, 2])
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


async def read(
    gateways: Sequence[Channel], auth: tuple[tuple[str, str], ...], job_id: str, chance: random.Random
) -> list[event_pb2.JobEvent]:
    """Reads a job to its end, in pieces from random gateways, with random absences in between."""
    seen: list[event_pb2.JobEvent] = []
    while not (seen and seen[-1].HasField("done")):
        gateway = chance.choice(gateways)
        after = seen[-1].sequence if seen else 0
        most = chance.choice([1, 2, 5, 1000])
        call = rpc.GatewayServiceStub(gateway.raw).StreamJob(
            pb.StreamJobRequest(job_id=job_id, after_sequence=after), metadata=auth, timeout=25
        )
        async with gateway.streaming(call) as replies:
            async for reply in replies:
                seen.append(reply.event)
                if most == 1 or reply.event.HasField("done"):
                    break
                most -= 1
        await asyncio.sleep(chance.uniform(0, LONGEST_ABSENCE_S))
    return seen
